-- grain: one row per month, kind of device and step on the way to an order
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

months as (

    select
        dates.month_start,
        devices.device_type,
        count(*) as visit_count,
        count(case when sessions.product_view_count > 0 then 1 end) as product_count,
        count(case when sessions.has_cart then 1 end) as cart_count,
        count(case when sessions.has_checkout then 1 end) as checkout_count,
        count(case when sessions.is_converted then 1 end) as order_count
    from sessions
    inner join dates on sessions.start_date_key = dates.date_key
    inner join devices on sessions.device_key = devices.device_key
    group by dates.month_start, devices.device_type

),

steps as (

    {%- for step in ['visit', 'product', 'cart', 'checkout', 'order'] %}
    select
        month_start,
        device_type,
        {{ loop.index }} as step_number,
        '{{ step | capitalize }}' as step_name,
        {{ step }}_count as session_count,
        visit_count
    from months
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}

),

final as (

    select
        {{ surrogate_key([date_key('month_start'), 'device_type', 'step_number']) }} as funnel_key,
        month_start,
        device_type,
        cast(step_number as integer) as step_number,
        step_name,
        cast(session_count as integer) as session_count,
        cast(visit_count as integer) as visit_count
    from steps

)

select * from final
