-- grain: one row per salesperson and quarter for which a quota was set (periodic snapshot)
with

quotas as (

    select
        *,
        {{ first_day_of('quarter', 'quota_date') }} as quarter_start
    from {{ ref('stg_sales_quotas') }}

),

salespeople as (

    select * from {{ ref('dim_salesperson') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

-- revenue of each salesperson and calendar quarter
quarterly_revenue as (

    select
        orders.salesperson_key,
        {{ first_day_of('quarter', 'orders.ordered_at') }} as quarter_start,
        sum(orders.line_total) as revenue
    from orders
    inner join statuses on orders.order_status_key = statuses.order_status_key
    where
        statuses.counts_as_revenue
        and orders.salesperson_key <> {{ unknown_key() }}
    group by orders.salesperson_key, {{ first_day_of('quarter', 'orders.ordered_at') }}

),

final as (

    select
        {{ surrogate_key(['quotas.salesperson_id', timestamp_text('quotas.quota_date')]) }} as sales_quota_key,
        quotas.salesperson_id,
        {{ key_or_unknown('salespeople.salesperson_key') }} as salesperson_key,
        {{ date_key('quotas.quota_date') }} as quota_date_key,
        quotas.quarter_start,
        quotas.quota_amount,
        cast(coalesce(quarterly_revenue.revenue, 0) as decimal(38, 8)) as revenue
    from quotas
    left join salespeople on quotas.salesperson_id = salespeople.salesperson_id
    left join quarterly_revenue
        on
            salespeople.salesperson_key = quarterly_revenue.salesperson_key
            and quotas.quarter_start = quarterly_revenue.quarter_start

)

select * from final
