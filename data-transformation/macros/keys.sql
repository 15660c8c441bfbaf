{#- Keys of the marts. -#}

{#- The key of the member that stands for every missing or late dimension row. -#}
{% macro unknown_key() -%}
    '-1'
{%- endmacro %}

{#-
    Hash of the natural key; the columns' text must be the same on every warehouse and in every session: timestamp_text
    for a timestamp, key_text for the second column of free text.
-#}
{% macro surrogate_key(columns) -%}
    md5(
        {%- for column in columns %}
        coalesce(cast({{ column }} as varchar), '')
        {%- if not loop.last %} || '|' ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}

{#- The key of the place of an address (int_addresses), for whoever has joined it: few are hashed, of all that there are. -#}
{% macro geography_key(addresses) -%}
    {{ surrogate_key([
        key_text(addresses ~ '.city'), addresses ~ '.state_province_id', key_text(addresses ~ '.postal_code')
    ]) }}
{%- endmacro %}

{#- Text that people type, for a key with another such text: the bar between the columns can't be part of it. -#}
{% macro key_text(column) -%}
    replace(replace({{ column }}, '~', '~~'), '|', '~!')
{%- endmacro %}

{#- The key found by a left join, else the unknown member. -#}
{% macro key_or_unknown(column) -%}
    coalesce({{ column }}, {{ unknown_key() }})
{%- endmacro %}

{#- A date as the integer yyyymmdd, -1 when there is none in the calendar. -#}
{% macro date_key(column) -%}
    case
        when {{ in_calendar(column) }}
            then cast(
                extract(year from {{ column }}) * 10000
                + extract(month from {{ column }}) * 100
                + extract(day from {{ column }})
                as integer
            )
        else -1
    end
{%- endmacro %}

{#- A timestamp in one text form on every warehouse, for keys. -#}
{% macro timestamp_text(column) -%}
    {{ return(adapter.dispatch('timestamp_text')(column)) }}
{%- endmacro %}

{% macro default__timestamp_text(column) -%}
    to_char({{ column }}, 'YYYY-MM-DD HH24:MI:SS.FF6')
{%- endmacro %}

{% macro duckdb__timestamp_text(column) -%}
    strftime({{ column }}, '%Y-%m-%d %H:%M:%S.%f')
{%- endmacro %}
