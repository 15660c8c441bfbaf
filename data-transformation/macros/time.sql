{#- The open ends of a version's validity. -#}
{% macro beginning_of_time() -%}
    cast('1900-01-01' as timestamp)
{%- endmacro %}

{% macro end_of_time() -%}
    cast('9999-12-31' as timestamp)
{%- endmacro %}

{#- The midnight after a timestamp's day: the exclusive form of an inclusive last day. -#}
{% macro next_midnight(column) -%}
    cast({{ dbt.dateadd('day', 1, 'cast(' ~ column ~ ' as date)') }} as timestamp)
{%- endmacro %}

{#- 1 = Monday … 7 = Sunday, whatever the session's first day of the week. -#}
{% macro iso_day_of_week(column) -%}
    {{ return(adapter.dispatch('iso_day_of_week')(column)) }}
{%- endmacro %}

{% macro default__iso_day_of_week(column) -%}
    dayofweekiso({{ column }})
{%- endmacro %}

{% macro duckdb__iso_day_of_week(column) -%}
    isodow({{ column }})
{%- endmacro %}

{% macro iso_week(column) -%}
    {{ return(adapter.dispatch('iso_week')(column)) }}
{%- endmacro %}

{% macro default__iso_week(column) -%}
    weekiso({{ column }})
{%- endmacro %}

{% macro duckdb__iso_week(column) -%}
    weekofyear({{ column }})
{%- endmacro %}
