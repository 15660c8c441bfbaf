{{ config(materialized='table', engine='MergeTree()', order_by='(hour_start, product_id, channel_name)') }}
-- grain: product × hour × channel
with lines as (
    select * from {{ ref('stg_order_lines') }}
),

hours as (
    select
        toStartOfHour(placed_at) as hour_start,
        product_id,
        channel_name,
        count(distinct order_id) as orders,
        sum(order_quantity) as units,
        sum(line_total) as revenue
    from lines
    group by hour_start, product_id, channel_name
)

select * from hours
