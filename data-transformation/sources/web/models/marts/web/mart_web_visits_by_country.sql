-- grain: one row per month and country of the web site's visitors
with

sessions as (

    select * from {{ ref('fct_web_sessions') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

days as (

    select
        dates.month_start,
        dates.date_key,
        sessions.country_code,
        count(*) as visit_count,
        sum(sessions.page_view_count) as page_view_count,
        count(case when sessions.is_bounce then 1 end) as bounce_count,
        count(case when sessions.is_converted then 1 end) as order_count,
        sum(sessions.order_value) as order_value
    from sessions
    inner join dates on sessions.start_date_key = dates.date_key
    group by dates.month_start, dates.date_key, sessions.country_code

),

-- how closely orders follow visits from day to day; days without a visit are not among them
months as (

    select
        month_start,
        country_code,
        sum(visit_count) as visit_count,
        sum(page_view_count) as page_view_count,
        sum(bounce_count) as bounce_count,
        sum(order_count) as order_count,
        sum(order_value) as order_value,
        case
            when count(distinct visit_count) > 1 and count(distinct order_value) > 1
                then corr(cast(visit_count as double), cast(order_value as double))
        end as visits_to_value_correlation
    from days
    group by month_start, country_code

),

final as (

    select
        {{ surrogate_key([date_key('month_start'), 'country_code']) }} as visits_by_country_key,
        month_start,
        country_code,
        cast(visit_count as integer) as visit_count,
        cast(page_view_count as integer) as page_view_count,
        cast(bounce_count as integer) as bounce_count,
        cast(order_count as integer) as order_count,
        cast(order_value as decimal(38, 4)) as order_value,
        cast(visits_to_value_correlation as double) as visits_to_value_correlation
    from months

)

select * from final
