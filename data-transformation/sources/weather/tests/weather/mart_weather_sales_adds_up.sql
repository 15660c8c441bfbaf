-- All revenue of days in the calendar is in the mart, in a weather or in an unknown one.
-- Every measured city and day is counted once per category.
with

mart as (

    select
        coalesce(sum(revenue), 0) as revenue,
        coalesce(sum(order_quantity), 0) as order_quantity
    from {{ ref('mart_weather_sales') }}

),

facts as (

    select
        coalesce(sum(sales.line_total), 0) as revenue,
        coalesce(sum(sales.order_quantity), 0) as order_quantity
    from {{ ref('fct_sales') }} as sales
    inner join {{ ref('dim_order_status') }} as statuses on sales.order_status_key = statuses.order_status_key
    where statuses.counts_as_revenue and sales.order_date_key <> -1

),

counted as (

    select
        product_category,
        sum(city_day_count) as city_day_count
    from {{ ref('mart_weather_sales') }}
    group by product_category

),

measured as (

    select count(*) as city_day_count
    from {{ ref('fct_weather_daily') }}
    where not is_forecast

)

select
    'revenue' as what,
    mart.revenue as found,
    facts.revenue as expected
from mart
cross join facts
where mart.revenue <> facts.revenue or mart.order_quantity <> facts.order_quantity

union all

select
    counted.product_category as what,
    counted.city_day_count as found,
    measured.city_day_count as expected
from counted
cross join measured
where counted.city_day_count <> measured.city_day_count
