-- The lines of an order carry its tax and freight to the last digit, and add up to its line total.
{{ config(store_failures=true, schema='dbt_test_failures', meta={'keys': ['order_id']}) }}
with

sales as (

    select
        order_id,
        count(*) as line_count,
        coalesce(sum(line_total), 0) as line_total,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount
    from {{ ref('fct_sales') }}
    group by order_id

),

-- an amount that is no number has no part of a line
orders as (

    select
        order_id,
        line_count,
        line_total,
        coalesce(tax_amount, 0) as tax_amount,
        coalesce(freight_amount, 0) as freight_amount
    from {{ ref('fct_orders') }}

)

select sales.*
from sales
inner join orders on sales.order_id = orders.order_id
where
    {{ any_differs('sales', 'orders', ['line_count', 'line_total', 'tax_amount', 'freight_amount']) }}
