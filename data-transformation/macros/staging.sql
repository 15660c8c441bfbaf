{#- What staging does to a raw column or row. -#}

{#- An amount, whatever type it landed as (text, float, decimal), exact from here on. -#}
{% macro amount(column) -%}
    cast({{ column }} as decimal(18, 4))
{%- endmacro %}

{#- When a row was extracted, UTC without a zone. DuckDB's own cast asks the calendar of the session's zone for each row. -#}
{% macro extracted_at() -%}
    {{ return(adapter.dispatch('extracted_at')()) }}
{%- endmacro %}

{% macro default__extracted_at() -%}
    cast(_airbyte_extracted_at as timestamp)
{%- endmacro %}

{% macro duckdb__extracted_at() -%}
    make_timestamp(epoch_us(_airbyte_extracted_at))
{%- endmacro %}

{#- A raw column whose name is a reserved word, quoted in the case in which the destination stored it. -#}
{% macro reserved_column(name) -%}
    {{ adapter.quote(name | upper if target.type == 'snowflake' else name) }}
{%- endmacro %}

{#- The rows that are not softly deleted: change data capture adds `_ab_cdc_deleted_at`, a cursor sync does not. -#}
{% macro not_deleted(relation) -%}
    {%- set columns = [] -%}
    {%- if execute and not relation.is_cte -%}
        {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
    {%- endif -%}
    {%- if '_ab_cdc_deleted_at' in columns -%}
        _ab_cdc_deleted_at is null
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- first letter and domain: k***@adventure-works.com -#}
{% macro mask_email(column) -%}
    left({{ column }}, 1) || '***@' || split_part({{ column }}, '@', 2)
{%- endmacro %}

{#- the last two digits: ***97 -#}
{% macro mask_phone(column) -%}
    '***' || right({{ column }}, 2)
{%- endmacro %}

{#- an address without the part that names one visitor: 198.51.100.0, 2001:db8:7:: -#}
{% macro ip_network(column) -%}
    case
        when {{ column }} like '%:%'
            then
                split_part({{ column }}, ':', 1) || ':' || split_part({{ column }}, ':', 2) || ':'
                || split_part({{ column }}, ':', 3) || '::'
        else
            split_part({{ column }}, '.', 1) || '.' || split_part({{ column }}, '.', 2) || '.'
            || split_part({{ column }}, '.', 3) || '.0'
    end
{%- endmacro %}
