-- Page views and their order value equal the raw layer's, each event counted once.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum({{ amount('order_value') }}), 0) as order_value
    from {{ raw_web_events() }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(order_value), 0) as order_value
    from {{ ref('fct_page_views') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'order_value']) }}
