{#- Is a source system in use? Its models are there then (dbt_project.yml). -#}
{% macro in_use(source) -%}
    {{ return(source in env_var('ELT_SOURCES', 'adventureworks').split(',')) }}
{%- endmacro %}

{#-
    A raw table, or no rows of its columns while no sync has made it yet: a source that is in use may not have been read. `sign`: a column that
    the first row brings, where a table without rows lacks the columns of the rows.
-#}
{% macro raw_or_empty(relation, columns, sign=none) -%}
    {%- set is_there = true -%}
    {%- if execute and not relation.is_cte -%}
        {%- set is_there = load_relation(relation) is not none -%}
        {%- if is_there and sign -%}
            {%- set known = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
            {%- set is_there = sign in known -%}
        {%- endif -%}
    {%- endif -%}
    {%- if not is_there -%}
        (
            select
                {%- for name, type in columns.items() %}
                cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
                {%- endfor %}
            where false
        ) as no_rows
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- The web site's events. -#}
{% macro raw_web_events() -%}
    {{ raw_or_empty(source('web', 'events'), {
        'event_id': 'varchar', reserved_column('timestamp'): 'timestamp', 'session_id': 'varchar', 'user_id': 'integer',
        'page_url': 'varchar', 'referrer_url': 'varchar', 'ip_address': 'varchar', 'user_agent': 'varchar',
        'device_type': 'varchar', 'duration': 'integer', 'country': 'varchar', 'order_value': 'decimal(18, 4)',
        '_airbyte_extracted_at': 'timestamp'
    }) }}
{%- endmacro %}

{#- Exchange rates. -#}
{% macro raw_rates() -%}
    {{ raw_or_empty(source('rates', 'rates'), {
        reserved_column('date'): 'date', 'base': 'varchar', 'quote': 'varchar', 'rate': 'double',
        '_airbyte_extracted_at': 'timestamp'
    }) }}
{%- endmacro %}

{#- The weather: `observations` or `forecasts`; `moment`: since when a row is as it is. -#}
{% macro raw_weather(stream, moment) -%}
    {{ raw_or_empty(source('weather', stream), {
        'city': 'varchar', 'region': 'varchar', 'country': 'varchar', reserved_column('date'): 'date',
        'temperature_max': 'double', 'temperature_min': 'double', 'precipitation': 'double', 'wind_max': 'double',
        moment: 'timestamp', '_airbyte_extracted_at': 'timestamp'
    }) }}
{%- endmacro %}

{#- What the connector github left of a stream, or no rows of these columns. -#}
{% macro raw_github(stream, columns) -%}
    {{ raw_or_empty(source('github', stream), dict(columns, _airbyte_extracted_at='timestamp')) }}
{%- endmacro %}

{#- Messages of a topic of the lane. A topic that has no schema yet has no rows, and columns of the place alone. -#}
{% macro raw_events(stream, columns) -%}
    {{ raw_or_empty(source('stream', stream), dict({
        'topic': 'varchar', reserved_column('partition'): 'bigint', reserved_column('offset'): 'bigint',
        'appended_at': 'timestamp', 'left_out': 'varchar', 'event_id': 'varchar', 'occurred_at': 'timestamp',
        '_airbyte_extracted_at': 'timestamp'
    }, **columns), sign='event_id') }}
{%- endmacro %}

{#- Lines of the files of posts. -#}
{% macro raw_posts() -%}
    {{ raw_or_empty(source('posts', 'posts'), {
        'line': 'varchar', '_ab_source_file_url': 'varchar', '_ab_source_file_last_modified': 'varchar',
        '_airbyte_raw_id': 'varchar', '_airbyte_extracted_at': 'timestamp'
    }) }}
{%- endmacro %}

{#- How the texts of posts sound, as far as they are scored. -#}
{% macro raw_post_sentiment() -%}
    {{ raw_or_empty(source('post_scores', 'post_sentiment'), {
        'text_hash': 'varchar', 'sentiment_score': 'double', 'scorer': 'varchar', '_airbyte_extracted_at': 'timestamp'
    }) }}
{%- endmacro %}

{#- Ask whether a fact has other totals than a raw stream; `columns`: SQL over raw by the fact's column. -#}
{% macro totals_differ(model, raw, columns) -%}
    select coalesce(raw_totals.row_count <> fact_totals.row_count
        {%- for column in columns %}
        or raw_totals.{{ column }} is distinct from fact_totals.{{ column }}
        {%- endfor %}, true) as differs
    from (
        select
            count(*) as row_count
            {%- for column, expression in columns.items() %},
            sum({{ expression }}) as {{ column }}
            {%- endfor %}
        from {{ raw }}
        where {{ not_deleted(raw) }}
    ) as raw_totals
    cross join (
        select
            count(*) as row_count
            {%- for column in columns %},
            sum({{ column }}) as {{ column }}
            {%- endfor %}
        from {{ model }}
    ) as fact_totals
{%- endmacro %}
