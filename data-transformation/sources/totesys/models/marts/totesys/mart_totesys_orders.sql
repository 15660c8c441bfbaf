-- grain: one row per sales or purchase order of the second company that it has now
with

sales as (

    select * from {{ ref('fact_sales_order_current') }}

),

purchases as (

    select * from {{ ref('fact_purchase_order_current') }}

),

counterparties as (

    select * from {{ ref('dim_counterparty') }}

),

currencies as (

    select * from {{ ref('dim_totesys_currency') }}

),

rates as (

    select * from {{ ref('mart_totesys_usd_rates') }}

),

orders as (

    select
        'Sale' as order_kind,
        sales_order_id as order_id,
        created_date,
        counterparty_id,
        currency_id,
        units_sold as quantity,
        unit_price,
        agreed_payment_date
    from sales
    union all
    select
        'Purchase' as order_kind,
        purchase_order_id as order_id,
        created_date,
        counterparty_id,
        currency_id,
        item_quantity as quantity,
        item_unit_price as unit_price,
        agreed_payment_date
    from purchases

),

priced as (

    select
        *,
        {{ product(['unit_price', 'quantity']) }} as amount
    from orders

),

final as (

    select
        {{ surrogate_key(['priced.order_kind', 'priced.order_id']) }} as order_key,
        priced.order_kind,
        priced.order_id,
        priced.created_date,
        priced.agreed_payment_date,
        counterparties.counterparty_legal_name as counterparty_name,
        counterparties.counterparty_legal_country as country,
        coalesce(currencies.currency_code, 'Unknown') as currency_code,
        priced.quantity,
        priced.unit_price,
        cast(priced.amount as decimal(38, 4)) as amount,
        {{ in_usd('priced.amount', 'rates.per_usd') }} as amount_usd,
        rates.rate_origin
    from priced
    inner join counterparties on priced.counterparty_id = counterparties.counterparty_id
    inner join currencies on priced.currency_id = currencies.currency_id
    left join rates
        on
            currencies.currency_code = rates.currency_code
            and priced.created_date = rates.rate_date

)

select * from final
