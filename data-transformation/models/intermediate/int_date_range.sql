-- grain: one row: the first and the last day that any fact refers to
{%- set dates = [
    ('stg_sales_order_headers', ['ordered_at', 'due_at', 'shipped_at']),
    ('stg_sales_quotas', ['quota_date']),
    ('stg_currency_rates', ['rate_date']),
    ('stg_purchase_order_headers', ['ordered_at', 'shipped_at']),
    ('stg_purchase_order_details', ['due_at']),
    ('stg_work_orders', ['started_at', 'ended_at', 'due_at']),
    ('stg_transactions', ['moved_at']),
    ('stg_transactions_archive', ['moved_at']),
    ('stg_employee_pay_history', ['changed_at']),
] %}
{%- if in_use('web') %}
{%- set dates = dates + [('stg_web_events', ['viewed_at'])] %}
{%- endif %}
{%- if in_use('totesys') %}
{%- set dates = dates + [
    ('stg_totesys_sales_orders', ['created_at', 'last_updated', 'agreed_delivery_date', 'agreed_payment_date']),
    ('stg_totesys_purchase_orders', ['created_at', 'last_updated', 'agreed_delivery_date', 'agreed_payment_date']),
    ('stg_totesys_payments', ['created_at', 'last_updated', 'payment_date']),
] %}
{%- endif %}
{%- if in_use('rates') %}
{%- set dates = dates + [('stg_exchange_rates', ['rate_date'])] %}
{%- endif %}
{%- if in_use('github') %}
{%- set dates = dates + [
    ('stg_github_commits', ['written_at']), ('stg_github_stargazers', ['starred_at']),
    ('stg_github_releases', ['published_at']),
] %}
{%- endif %}
{%- if in_use('posts') %}
{%- set dates = dates + [('stg_post_lines', ['posted_at'])] %}
{%- endif %}
{%- if in_use('stream') %}
{%- set dates = dates + [('stg_stream_card_transactions', ['occurred_at'])] %}
{%- endif %}
{%- if in_use('weather') %}
{%- set dates = dates + [('stg_weather_observations', ['weather_date']), ('stg_weather_forecasts', ['weather_date'])] %}
{%- endif %}
with

ranges as (
    {% for model, columns in dates %}
    {%- for column in columns %}
    select
        cast(min({{ column }}) as date) as first_day,
        cast(max({{ column }}) as date) as last_day
    from {{ ref(model) }}
    where {{ in_calendar(column) }}
    union all
    {%- endfor %}
    {% endfor %}
    -- stock is known up to the day of the build
    select
        {{ build_day() }} as first_day,
        {{ build_day() }} as last_day

),

widest as (

    select
        min(first_day) as first_day,
        max(last_day) as last_day
    from ranges

)

select * from widest
