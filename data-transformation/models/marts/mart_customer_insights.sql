-- grain: one row per customer: orders since the first one, lifetime value, cohort and RFM segment
with

customers as (

    select * from {{ ref('dim_customer') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

-- orders of all versions of a customer, as far as they count as revenue
revenue_orders as (

    select
        customers.customer_id,
        {{ calendar_day('orders.ordered_at') }} as order_date,
        orders.line_total
    from orders
    inner join {{ ref('dim_customer') }} as customers on orders.customer_key = customers.customer_key
    inner join statuses on orders.order_status_key = statuses.order_status_key
    where
        statuses.counts_as_revenue
        and orders.customer_key <> {{ unknown_key() }}

),

bought as (

    select
        customer_id,
        count(*) as order_count,
        sum(line_total) as lifetime_value,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from revenue_orders
    group by customer_id

),

-- recency is counted to the newest order, not to today: a quiet weekend changes no segment
last_day as (

    select max(last_order_date) as last_order_date
    from bought

),

-- fifths, 5 is best; the customer's number settles ties
scored as (

    select
        bought.*,
        {{ days_between('bought.last_order_date', 'last_day.last_order_date') }} as days_since_last_order,
        ntile(5) over (order by bought.last_order_date asc, bought.customer_id asc) as recency_score,
        ntile(5) over (order by bought.order_count asc, bought.customer_id asc) as frequency_score,
        ntile(5) over (order by bought.lifetime_value asc, bought.customer_id asc) as monetary_score
    from bought
    cross join last_day

),

current_customers as (

    select * from customers
    where
        is_current
        and customer_key <> {{ unknown_key() }}

),

final as (

    select
        current_customers.customer_key,
        current_customers.customer_id,
        current_customers.customer_name,
        current_customers.customer_type,
        current_customers.territory_name,
        current_customers.country_name,
        scored.first_order_date,
        scored.last_order_date,
        {{ first_day_of('month', 'scored.first_order_date') }} as cohort_month,
        scored.days_since_last_order,
        cast(coalesce(scored.order_count, 0) as integer) as order_count,
        coalesce(scored.order_count, 0) >= 2 as is_repeat_customer,
        cast(coalesce(scored.lifetime_value, 0) as decimal(38, 8)) as lifetime_value,
        {{ divide('scored.lifetime_value', 'scored.order_count') }} as average_order_value,
        cast(scored.recency_score as integer) as recency_score,
        cast(scored.frequency_score as integer) as frequency_score,
        cast(scored.monetary_score as integer) as monetary_score,
        case
            when scored.customer_id is null then 'Never ordered'
            when scored.recency_score >= 4 and scored.frequency_score >= 4 and scored.monetary_score >= 4
                then 'Champion'
            when scored.recency_score >= 3 and scored.frequency_score >= 3 then 'Loyal'
            when scored.recency_score >= 4 then 'Recent'
            when scored.frequency_score >= 3 or scored.monetary_score >= 4 then 'At risk'
            else 'Dormant'
        end as rfm_segment
    from current_customers
    left join scored on current_customers.customer_id = scored.customer_id

)

select * from final
