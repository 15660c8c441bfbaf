{{ config(materialized='table', engine='MergeTree()', order_by='order_id') }}
-- grain: order of the last week, as it is now
with orders as (
    select * from {{ ref('stg_orders') }}
),

lines as (
    select * from {{ ref('stg_order_lines') }}
),

changes as (
    select * from {{ ref('stg_order_status') }}
),

revenue as (
    select
        order_id,
        count() as line_count,
        sum(order_quantity) as units,
        sum(line_total) as revenue
    from lines
    group by order_id
),

last_changes as (
    select
        order_id,
        argMax(order_status, kafka_offset) as last_status,
        argMax(changed_at, kafka_offset) as last_changed_at,
        count() as change_count
    from changes
    group by order_id
),

placed as (
    select
        order_id,
        any(customer_id) as customer_id_placed,
        any(channel_name) as channel_name_placed,
        any(placed_status) as status_placed,
        min(placed_at) as first_placed_at
    from orders
    group by order_id
),

joined as (
    select
        placed.order_id as order_id,
        placed.customer_id_placed as customer_id,
        placed.channel_name_placed as channel_name,
        placed.first_placed_at as placed_at,
        if(last_changes.change_count > 0, last_changes.last_status, placed.status_placed) as order_status,
        if(last_changes.change_count > 0, last_changes.last_changed_at, placed.first_placed_at) as changed_at,
        last_changes.change_count as change_count,
        revenue.line_count as line_count,
        revenue.units as units,
        revenue.revenue as revenue
    from placed
    left join revenue on placed.order_id = revenue.order_id
    left join last_changes on placed.order_id = last_changes.order_id
)

select * from joined
