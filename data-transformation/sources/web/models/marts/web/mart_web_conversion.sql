-- grain: one row per month, kind of device and kind of referrer of the visits' first pages
with

sessions as (

    select * from {{ ref('fct_web_sessions') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

devices as (

    select * from {{ ref('dim_device') }}

),

referrers as (

    select * from {{ ref('dim_referrer') }}

),

months as (

    select
        dates.month_start,
        devices.device_type,
        referrers.referrer_type,
        count(*) as visit_count,
        sum(sessions.page_view_count) as page_view_count,
        sum(sessions.duration_seconds) as duration_seconds,
        count(case when sessions.is_bounce then 1 end) as bounce_count,
        count(case when sessions.is_converted then 1 end) as order_count,
        sum(sessions.order_value) as order_value
    from sessions
    inner join dates on sessions.start_date_key = dates.date_key
    inner join devices on sessions.device_key = devices.device_key
    inner join referrers on sessions.referrer_key = referrers.referrer_key
    group by dates.month_start, devices.device_type, referrers.referrer_type

),

final as (

    select
        {{ surrogate_key([date_key('month_start'), 'device_type', 'referrer_type']) }} as conversion_key,
        month_start,
        device_type,
        referrer_type,
        cast(visit_count as integer) as visit_count,
        cast(page_view_count as integer) as page_view_count,
        cast(duration_seconds as bigint) as duration_seconds,
        cast(bounce_count as integer) as bounce_count,
        cast(order_count as integer) as order_count,
        cast(order_value as decimal(38, 4)) as order_value,
        {{ divide('order_count', 'visit_count', 6) }} as conversion_rate,
        {{ divide('bounce_count', 'visit_count', 6) }} as bounce_rate
    from months

)

select * from final
