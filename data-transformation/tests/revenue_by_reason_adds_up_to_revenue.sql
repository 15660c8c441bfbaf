-- Shared out among the reasons, the orders' lines add up to what was sold, to the last digit.
-- What is before the point and what is after it add up apart: products of both in one have more than 38 digits.
with

orders as (

    select
        order_id,
        floor(line_total) as whole,
        line_total - floor(line_total) as rest
    from {{ ref('fct_orders') }}

),

reasons as (

    select * from {{ ref('fct_order_sales_reasons') }}

),

by_reason as (

    select
        coalesce(sum(orders.whole * reasons.weight), 0) as whole,
        coalesce(sum(orders.rest * reasons.weight), 0) as rest
    from orders
    inner join reasons on orders.order_id = reasons.order_id

),

sold as (

    select
        coalesce(sum(whole), 0) as whole,
        coalesce(sum(rest), 0) as rest
    from orders

)

select by_reason.*
from by_reason
cross join sold
where by_reason.whole <> sold.whole or by_reason.rest <> sold.rest
