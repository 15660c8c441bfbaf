-- grain: one row per product: what it sold since the beginning and in its last year, and its rank among the others
with

sales as (

    select * from {{ ref('fct_sales') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

-- lines of all versions of a product, of orders that count as revenue
revenue_lines as (

    select
        products.product_id,
        sales.order_id,
        dates.date_day as order_date,
        sales.order_quantity,
        sales.gross_amount,
        sales.discount_amount,
        sales.line_total,
        sales.standard_cost,
        sales.margin
    from sales
    inner join products on sales.product_key = products.product_key
    inner join dates on sales.order_date_key = dates.date_key
    inner join statuses on sales.order_status_key = statuses.order_status_key
    where
        statuses.counts_as_revenue
        and sales.product_key <> {{ unknown_key() }}

),

-- the last year ends with the newest order, not with today: history stays what it was
last_day as (

    select max(order_date) as last_order_date
    from revenue_lines

),

sold as (

    select
        revenue_lines.product_id,
        count(distinct revenue_lines.order_id) as order_count,
        sum(revenue_lines.order_quantity) as quantity_sold,
        sum(revenue_lines.gross_amount) as gross_amount,
        sum(revenue_lines.discount_amount) as discount_amount,
        sum(revenue_lines.line_total) as revenue,
        sum(revenue_lines.standard_cost) as standard_cost,
        sum(revenue_lines.margin) as margin,
        min(revenue_lines.order_date) as first_order_date,
        max(revenue_lines.order_date) as last_order_date,
        sum(
            case
                when {{ days_between('revenue_lines.order_date', 'last_day.last_order_date') }} < 365
                    then revenue_lines.line_total
                else 0
            end
        ) as revenue_of_last_year
    from revenue_lines
    cross join last_day
    group by revenue_lines.product_id

),

current_products as (

    select * from products
    where
        is_current
        and product_key <> {{ unknown_key() }}

),

described as (

    select
        current_products.product_key,
        current_products.product_id,
        current_products.product_number,
        current_products.product_name,
        current_products.product_subcategory,
        current_products.product_category,
        current_products.list_price,
        cast(coalesce(sold.order_count, 0) as integer) as order_count,
        cast(coalesce(sold.quantity_sold, 0) as bigint) as quantity_sold,
        cast(coalesce(sold.gross_amount, 0) as decimal(38, 8)) as gross_amount,
        cast(coalesce(sold.discount_amount, 0) as decimal(38, 8)) as discount_amount,
        cast(coalesce(sold.revenue, 0) as decimal(38, 8)) as revenue,
        cast(coalesce(sold.standard_cost, 0) as decimal(38, 4)) as standard_cost,
        cast(coalesce(sold.margin, 0) as decimal(38, 8)) as margin,
        cast(coalesce(sold.revenue_of_last_year, 0) as decimal(38, 8)) as revenue_of_last_year,
        sold.first_order_date,
        sold.last_order_date
    from current_products
    left join sold on current_products.product_id = sold.product_id

),

ranked as (

    select
        *,
        sum(revenue) over (partition by product_category) as category_revenue,
        cast(rank() over (order by revenue desc) as integer) as revenue_rank,
        cast(rank() over (partition by product_category order by revenue desc) as integer) as revenue_rank_in_category
    from described

),

final as (

    select
        product_key,
        product_id,
        product_number,
        product_name,
        product_subcategory,
        product_category,
        list_price,
        order_count,
        quantity_sold,
        gross_amount,
        discount_amount,
        revenue,
        standard_cost,
        margin,
        {{ divide('margin', 'revenue') }} as margin_rate,
        revenue_of_last_year,
        {{ divide('revenue', 'category_revenue', 6) }} as share_of_category_revenue,
        revenue_rank,
        revenue_rank_in_category,
        first_order_date,
        last_order_date
    from ranked

)

select * from final
