-- grain: one row per order day, channel and present status of the orders
with

orders as (

    select * from {{ ref('fct_orders') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

channels as (

    select * from {{ ref('dim_channel') }}

),

counted as (

    select
        order_date_key,
        channel_key,
        order_status_key,
        count(*) as order_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due,
        sum(case when shipped_at is not null then 1 else 0 end) as shipped_order_count,
        sum(case when is_shipped_on_time then 1 else 0 end) as on_time_order_count
    from orders
    group by order_date_key, channel_key, order_status_key

),

final as (

    select
        {{ surrogate_key(['counted.order_date_key', 'counted.channel_key', 'counted.order_status_key']) }}
            as order_status_daily_key,
        counted.order_date_key,
        dates.date_day as order_date,
        counted.channel_key,
        channels.channel_name,
        counted.order_status_key,
        statuses.order_status_name,
        statuses.is_open,
        statuses.counts_as_revenue,
        cast(counted.order_count as integer) as order_count,
        cast(counted.shipped_order_count as integer) as shipped_order_count,
        cast(counted.on_time_order_count as integer) as on_time_order_count,
        cast(counted.line_total as decimal(38, 8)) as line_total,
        cast(counted.total_due as decimal(38, 4)) as total_due
    from counted
    inner join dates on counted.order_date_key = dates.date_key
    inner join statuses on counted.order_status_key = statuses.order_status_key
    inner join channels on counted.channel_key = channels.channel_key

)

select * from final
