-- Each aggregate adds up to the revenue (and margin) of the facts that it is made of.
with

revenue_lines as (

    select sales.*
    from {{ ref('fct_sales') }} as sales
    inner join {{ ref('dim_order_status') }} as statuses on sales.order_status_key = statuses.order_status_key
    where statuses.counts_as_revenue

),

revenue_orders as (

    select orders.*
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_order_status') }} as statuses on orders.order_status_key = statuses.order_status_key
    where statuses.counts_as_revenue

),

totals as (

    select
        'mart_product_performance' as mart,
        (
            select coalesce(sum(revenue_lines.line_total), 0) from revenue_lines
            where revenue_lines.product_key <> {{ unknown_key() }}
        ) as expected_revenue,
        (
            select coalesce(sum(products.revenue), 0) from {{ ref('mart_product_performance') }} as products
        ) as revenue

    union all

    select
        'mart_product_performance, margin' as mart,
        (
            select coalesce(sum(revenue_lines.margin), 0) from revenue_lines
            where revenue_lines.product_key <> {{ unknown_key() }}
        ) as expected_revenue,
        (
            select coalesce(sum(products.margin), 0) from {{ ref('mart_product_performance') }} as products
        ) as revenue

    union all

    select
        'mart_customer_insights' as mart,
        (
            select coalesce(sum(revenue_lines.line_total), 0) from revenue_lines
            where revenue_lines.customer_key <> {{ unknown_key() }}
        ) as expected_revenue,
        (
            select coalesce(sum(customers.lifetime_value), 0) from {{ ref('mart_customer_insights') }} as customers
        ) as revenue

    union all

    select
        'mart_order_status_daily' as mart,
        (select coalesce(sum(revenue_orders.line_total), 0) from revenue_orders) as expected_revenue,
        (
            select coalesce(sum(by_day.line_total), 0) from {{ ref('mart_order_status_daily') }} as by_day
            where by_day.counts_as_revenue
        ) as revenue

    union all

    select
        'mart_sales_by_geography' as mart,
        (select coalesce(sum(revenue_lines.line_total), 0) from revenue_lines) as expected_revenue,
        (
            select coalesce(sum(places.revenue), 0) from {{ ref('mart_sales_by_geography') }} as places
        ) as revenue

)

select * from totals
where revenue <> expected_revenue
