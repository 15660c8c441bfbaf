-- grain: one row per month, country, kind of weather and product category
with

sales as (

    select * from {{ ref('fct_sales') }}

),

weather as (

    select * from {{ ref('fct_weather_daily') }}
    where not is_forecast

),

places as (

    select * from {{ ref('dim_geography') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

-- what was ordered in a city on a day of the calendar and counts as revenue, by category
ordered as (

    select
        places.city,
        places.state_code,
        places.country_code,
        sales.order_date_key,
        products.product_category,
        sales.order_id,
        sum(sales.order_quantity) as order_quantity,
        sum(sales.line_total) as line_total
    from sales
    inner join places on sales.ship_to_geography_key = places.geography_key
    inner join products on sales.product_key = products.product_key
    inner join statuses on sales.order_status_key = statuses.order_status_key
    where statuses.counts_as_revenue and sales.order_date_key <> -1
    group by
        places.city,
        places.state_code,
        places.country_code,
        sales.order_date_key,
        products.product_category,
        sales.order_id

),

-- in which weather; that of other places and days is unknown
ordered_by_weather as (

    select
        dates.month_start,
        ordered.country_code,
        coalesce(weather.temperature_band, 'Unknown') as temperature_band,
        coalesce(weather.rain_band, 'Unknown') as rain_band,
        ordered.product_category,
        count(distinct ordered.order_id) as order_count,
        sum(ordered.order_quantity) as order_quantity,
        sum(ordered.line_total) as revenue
    from ordered
    inner join dates on ordered.order_date_key = dates.date_key
    left join weather
        on
            ordered.country_code = weather.country_code
            and ordered.state_code = weather.state_code
            and ordered.city = weather.city
            and ordered.order_date_key = weather.weather_date_key
    group by
        dates.month_start,
        ordered.country_code,
        coalesce(weather.temperature_band, 'Unknown'),
        coalesce(weather.rain_band, 'Unknown'),
        ordered.product_category

),

-- on how many days and in how many cities such weather was, whether somebody ordered or not
city_days as (

    select
        dates.month_start,
        weather.country_code,
        weather.temperature_band,
        weather.rain_band,
        count(*) as city_day_count
    from weather
    inner join dates on weather.weather_date_key = dates.date_key
    group by
        dates.month_start,
        weather.country_code,
        weather.temperature_band,
        weather.rain_band

),

categories as (

    select distinct product_category from ordered

),

cells as (

    select
        city_days.month_start,
        city_days.country_code,
        city_days.temperature_band,
        city_days.rain_band,
        categories.product_category
    from city_days
    cross join categories
    union
    select
        month_start,
        country_code,
        temperature_band,
        rain_band,
        product_category
    from ordered_by_weather

),

filled as (

    select
        cells.*,
        coalesce(city_days.city_day_count, 0) as city_day_count,
        coalesce(found.order_count, 0) as order_count,
        coalesce(found.order_quantity, 0) as order_quantity,
        coalesce(found.revenue, 0) as revenue
    from cells
    left join city_days
        on
            cells.month_start = city_days.month_start
            and cells.country_code = city_days.country_code
            and cells.temperature_band = city_days.temperature_band
            and cells.rain_band = city_days.rain_band
    left join ordered_by_weather as found
        on
            cells.month_start = found.month_start
            and cells.country_code = found.country_code
            and cells.temperature_band = found.temperature_band
            and cells.rain_band = found.rain_band
            and cells.product_category = found.product_category

),

final as (

    select
        {{ surrogate_key([
            date_key('month_start'), 'country_code', 'temperature_band', 'rain_band', key_text('product_category')
        ]) }} as weather_sales_key,
        month_start,
        country_code,
        temperature_band,
        rain_band,
        product_category,
        cast(city_day_count as integer) as city_day_count,
        cast(order_count as integer) as order_count,
        cast(order_quantity as bigint) as order_quantity,
        cast(revenue as decimal(38, 8)) as revenue
    from filled

)

select * from final
