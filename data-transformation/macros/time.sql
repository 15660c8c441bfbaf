{#- The open ends of a version's validity. -#}
{% macro beginning_of_time() -%}
    cast('1900-01-01' as timestamp)
{%- endmacro %}

{% macro end_of_time() -%}
    cast('9999-12-31' as timestamp)
{%- endmacro %}

{#-
    The calendar covers the days that are plausible, 1900 to 2099. A day before or after them is the unknown day of
    dim_date; mart_data_quality counts it.
-#}
{% macro in_calendar(column) -%}
    ({{ column }} >= cast('1900-01-01' as timestamp) and {{ column }} < cast('2100-01-01' as timestamp))
{%- endmacro %}

{#- The day of a timestamp; null for one that is not in the calendar. -#}
{% macro calendar_day(column) -%}
    case when {{ in_calendar(column) }} then cast({{ column }} as date) end
{%- endmacro %}

{#- The time of day of a timestamp; null for one that is not in the calendar (infinite ones have none). -#}
{% macro time_of_day(column) -%}
    case when {{ in_calendar(column) }} then cast({{ column }} as time) end
{%- endmacro %}

{#- The midnight after a timestamp's day: the exclusive form of an inclusive last day. -#}
{% macro next_midnight(column) -%}
    case
        when {{ column }} >= {{ end_of_time() }} then {{ end_of_time() }}
        else cast({{ plus_days('cast(' ~ column ~ ' as date)', 1) }} as timestamp)
    end
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

{#- Whole calendar days from one timestamp to another; null if either is. -#}
{% macro days_between(first, last) -%}
    cast({{ dbt.datediff(first, last, 'day') }} as integer)
{%- endmacro %}

{#- The date so many days after a date. -#}
{% macro plus_days(date, days) -%}
    cast({{ dbt.dateadd('day', days, date) }} as date)
{%- endmacro %}

{#- The date so many months after the first day of a month. -#}
{% macro plus_months(date, months) -%}
    cast({{ dbt.dateadd('month', months, date) }} as date)
{%- endmacro %}

{#- The first day of a date's month, quarter or year. -#}
{% macro first_day_of(part, date) -%}
    cast({{ dbt.date_trunc(part, date) }} as date)
{%- endmacro %}

{#- A relation with one column `generated_number`: 1, 2 … up to `count`. -#}
{% macro numbers_to(count) -%}
    {{ dbt.generate_series(count) }}
{%- endmacro %}

{#- The day (UTC) on which this run of dbt began, as a date. -#}
{% macro build_day() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d") }}' as date)
{%- endmacro %}
