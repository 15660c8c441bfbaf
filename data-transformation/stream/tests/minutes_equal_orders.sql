-- a row: revenue or orders of a minute that is over, where the figures per minute differ from the orders
with minutes as (
    select
        minute as minute_start,
        sum(orders) as orders,
        sum(revenue) as revenue
    from {{ source('events', 'orders_per_minute') }}
    group by minute_start
),

lines as (
    select
        toStartOfMinute(toDateTime(orders.appended_at, 'UTC')) as minute_start,
        count(distinct orders.order_id) as orders,
        sum(order_lines.line_total) as revenue
    from {{ ref('stg_orders') }} as orders
    inner join {{ ref('stg_order_lines') }} as order_lines on orders.order_id = order_lines.order_id
    group by minute_start
)

select
    lines.minute_start,
    lines.orders as orders_of_rows,
    minutes.orders as orders_of_minute,
    lines.revenue as revenue_of_rows,
    minutes.revenue as revenue_of_minute
from lines
left join minutes on lines.minute_start = minutes.minute_start
where
    lines.minute_start < now() - interval 2 minute
    and (lines.orders != minutes.orders or lines.revenue != minutes.revenue)
