-- Shared out among the reasons, the orders' lines add up to what was sold, to the last digit.
with

orders as (

    select * from {{ ref('fct_orders') }}

),

reasons as (

    select * from {{ ref('fct_order_sales_reasons') }}

),

by_reason as (

    select coalesce(sum(orders.line_total * reasons.weight), 0) as line_total
    from orders
    inner join reasons on orders.order_id = reasons.order_id

),

sold as (

    select coalesce(sum(line_total), 0) as line_total
    from orders

)

select by_reason.*
from by_reason
cross join sold
where by_reason.line_total <> sold.line_total
