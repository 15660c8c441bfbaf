-- grain: one row per month and city (of a state, of a country) to which goods were shipped
with

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

-- the lines of an order have all but their product in common; read from the table itself: of a CTE's groups DuckDB does
-- not know how many there will be
orders as (

    select
        order_id,
        order_date_key,
        ship_to_geography_key,
        order_status_key,
        customer_key,
        sum(order_quantity) as order_quantity,
        sum(line_total) as line_total,
        sum(margin) as margin
    from {{ ref('fct_sales') }}
    group by
        order_id,
        order_date_key,
        ship_to_geography_key,
        order_status_key,
        customer_key

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
        count(*) as order_count,
        count(distinct customers.customer_id) as customer_count,
        sum(orders.order_quantity) as quantity_sold,
        sum(orders.line_total) as revenue,
        sum(orders.margin) as margin
    from orders
    inner join dates on orders.order_date_key = dates.date_key
    inner join places on orders.ship_to_geography_key = places.geography_key
    inner join statuses on orders.order_status_key = statuses.order_status_key
    inner join customers on orders.customer_key = customers.customer_key
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
        {{ surrogate_key([
            date_key('month_start'), key_text('country_code'), key_text('state_code'), key_text('state_name'), key_text('city')
        ]) }} as sales_by_geography_key,
        month_start,
        country_code,
        country_name,
        state_code,
        country_code || '-' || state_code as region_code,
        state_name,
        city,
        cast(order_count as integer) as order_count,
        cast(customer_count as integer) as customer_count,
        cast(quantity_sold as bigint) as quantity_sold,
        cast(revenue as decimal(38, 8)) as revenue,
        cast(margin as decimal(38, 8)) as margin
    from summed

)

select * from final
