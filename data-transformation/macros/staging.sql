{#- What staging does to a raw column or row. -#}

{#-
    An amount, whatever type it landed as (text, float, decimal), exact from here on. The source's type has no limit: what
    is no number or has more digits is null, a fifth decimal is rounded away, and int_odd_amounts counts both.
-#}
{% macro amount(column, decimals=4, digits=18) -%}
    {{ return(adapter.dispatch('amount')(column, decimals, digits)) }}
{%- endmacro %}

{#- Snowflake's TRY_CAST takes text only. -#}
{% macro default__amount(column, decimals, digits) -%}
    try_cast(cast({{ column }} as varchar) as decimal({{ digits }}, {{ decimals }}))
{%- endmacro %}

{% macro duckdb__amount(column, decimals, digits) -%}
    try_cast({{ column }} as decimal({{ digits }}, {{ decimals }}))
{%- endmacro %}

{#-
    How many decimals the number needs that a text spells, however many those are: 2 for `1.230`, 7 for `1.5e-6`, fewer than
    1 for a whole number; null for what DuckDB reads as a number and Snowflake does not (`1_000`, `5e `, `5e9.`).
-#}
{% macro decimals_of(text) -%}
    {%- set mantissa = "split_part(lower(" ~ text ~ "), 'e', 1)" -%}
    {%- set exponent = "split_part(lower(" ~ text ~ "), 'e', 2)" -%}
    case
        when replace({{ text }}, '_', '') <> {{ text }} then null
        when translate({{ mantissa }}, '+-0. ', '') = '' then 0
        else
            length(rtrim(replace({{ mantissa }}, '.', ''), '0 ')) - length(split_part({{ mantissa }}, '.', 1))
            - case
                when lower({{ text }}) not like '%e%' then 0
                when {{ exponent }} <> '' and translate({{ exponent }}, '-+0123456789', '') = ''
                    then try_cast({{ exponent }} as integer)
            end
    end
{%- endmacro %}

{#- How the columns of a raw table landed: `float`, as a real Airbyte lands numbers, `text` or `other`, by name. -#}
{% macro landed_as(relation) -%}
    {%- set found = {} -%}
    {%- if execute and not relation.is_cte -%}
        {%- for each in adapter.get_columns_in_relation(relation) -%}
            {%- do found.update({each.name | lower: 'float' if each.is_float() else 'text' if each.is_string() else 'other'}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{#- Text that is the decimal digits of an integer, as an integer; null for all else that somebody typed. -#}
{% macro integer_or_null(text) -%}
    {%- set digits = "translate(" ~ text ~ ", '0123456789', '')" -%}
    case
        when {{ text }} <> '' and {{ digits }} = '' and length({{ text }}) <= 18
            then {{ integer_in_range('cast(' ~ text ~ ' as bigint)') }}
    end
{%- endmacro %}

{#- A number as an integer of 4 bytes; null for one that has no room there. -#}
{% macro integer_in_range(number) -%}
    case when {{ number }} between -2147483648 and 2147483647 then cast({{ number }} as integer) end
{%- endmacro %}

{#-
    The host of an address that a browser sent: without scheme, user, port, path and final dot, in lower case. Null for
    none.
-#}
{% macro host_of(address) -%}
    {%- set without_path = "split_part(split_part(" ~ address ~ ", '://', 2), '/', 1)" -%}
    {%- set authority = "split_part(split_part(" ~ without_path ~ ", '?', 1), '#', 1)" -%}
    nullif(rtrim(lower(split_part(split_part({{ authority }}, '@', -1), ':', 1)), '.'), '')
{%- endmacro %}

{#- Is the host one of these domains, or of a host below it? `%` and `_` in a domain are those of LIKE. -#}
{% macro host_is_in(host, domains) -%}
    (
        {%- for domain in domains %}
        {% if not loop.first %}or {% endif %}'.' || {{ host }} like '%.{{ domain }}'
        {%- endfor %}
    )
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

{#- The type of a column that landed as JSON. -#}
{% macro json_type() -%}
    {{ return('json' if target.type == 'duckdb' else 'variant') }}
{%- endmacro %}

{#- A text inside a column that landed as JSON; null where there is none. -#}
{% macro json_text(column, name) -%}
    {{ return(adapter.dispatch('json_text')(column, name)) }}
{%- endmacro %}

{% macro default__json_text(column, name) -%}
    cast(get_path({{ column }}, '{{ name }}') as varchar)
{%- endmacro %}

{% macro duckdb__json_text(column, name) -%}
    json_extract_string({{ column }}, '$.{{ name }}')
{%- endmacro %}

{#- A text as JSON; null for what is none. -#}
{% macro json_or_null(text) -%}
    {{ return(adapter.dispatch('json_or_null')(text)) }}
{%- endmacro %}

{% macro default__json_or_null(text) -%}
    try_parse_json({{ text }})
{%- endmacro %}

{% macro duckdb__json_or_null(text) -%}
    try_cast({{ text }} as json)
{%- endmacro %}

{#-
    A moment that is written as 2026-01-31T12:00:00Z, or with an offset (2026-01-31T14:00:00+02:00), in UTC without a zone; null for all
    else. A blank may stand for the T; fractions of a second are cut off.
-#}
{% macro utc_moment(text) -%}
    {%- set whole = "replace(regexp_replace(upper(" ~ text ~ "), '[.][0-9]+', ''), ' ', 'T')" -%}
    {%- set local = "try_cast(replace(left(" ~ whole ~ ", 19), 'T', ' ') as timestamp)" -%}
    {%- set minutes = "(try_cast(substring(" ~ whole ~ ", 21, 2) as integer) * 60 + try_cast(right(" ~ whole ~ ", 2) as integer))" -%}
    case translate({{ whole }}, '0123456789', '0000000000')
        when '0000-00-00T00:00:00Z' then {{ local }}
        when '0000-00-00T00:00:00+00:00' then cast({{ dbt.dateadd('minute', '-' ~ minutes, local) }} as timestamp)
        when '0000-00-00T00:00:00-00:00' then cast({{ dbt.dateadd('minute', minutes, local) }} as timestamp)
    end
{%- endmacro %}

{#- The words of a text: in lower case, with one blank before, between and after them, and nothing else than a to z and 0 to 9. -#}
{% macro words_of(text) -%}
    {{ return(adapter.dispatch('words_of')(text)) }}
{%- endmacro %}

{% macro default__words_of(text) -%}
    regexp_replace(' ' || lower({{ text }}) || ' ', '[^a-z0-9]+', ' ')
{%- endmacro %}

{% macro duckdb__words_of(text) -%}
    regexp_replace(' ' || lower({{ text }}) || ' ', '[^a-z0-9]+', ' ', 'g')
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
