-- grain: one row per month and city (of a state, of a country) to which goods were shipped
with

sales as (

    select * from {{ ref('fct_sales') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

places as (

    select * from {{ ref('dim_geography') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

-- a city has several postal codes; its state has one code
summed as (

    select
        dates.month_start,
        places.country_code,
        places.country_name,
        places.state_code,
        places.state_name,
        places.city,
        count(distinct sales.order_id) as order_count,
        count(distinct customers.customer_id) as customer_count,
        sum(sales.order_quantity) as quantity_sold,
        sum(sales.line_total) as revenue,
        sum(sales.margin) as margin
    from sales
    inner join dates on sales.order_date_key = dates.date_key
    inner join places on sales.ship_to_geography_key = places.geography_key
    inner join statuses on sales.order_status_key = statuses.order_status_key
    inner join customers on sales.customer_key = customers.customer_key
    where statuses.counts_as_revenue
    group by
        dates.month_start,
        places.country_code,
        places.country_name,
        places.state_code,
        places.state_name,
        places.city

),

final as (

    select
        {{ surrogate_key([date_key('month_start'), 'country_code', 'state_code', 'city']) }} as sales_by_geography_key,
        month_start,
        country_code,
        country_name,
        state_code,
        country_code || '-' || state_code as region_code,
        state_name,
        city,
        cast(order_count as integer) as order_count,
        cast(customer_count as integer) as customer_count,
        cast(quantity_sold as integer) as quantity_sold,
        cast(revenue as decimal(18, 6)) as revenue,
        cast(margin as decimal(18, 6)) as margin
    from summed

)

select * from final
