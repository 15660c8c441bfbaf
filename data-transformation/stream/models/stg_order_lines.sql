-- grain: line of an order, as it was placed
with orders as (
    select * from {{ ref('stg_orders') }}
),

lines as (
    select
        orders.order_id as order_id,
        orders.channel_name as channel_name,
        orders.placed_at as placed_at,
        line.salesorderdetailid as order_line_id,
        line.productid as product_id,
        line.orderqty as order_quantity,
        line.unitprice * (toDecimal128(1, 6) - line.unitpricediscount) * line.orderqty as line_total
    from orders
    array join lines as line
)

select * from lines
