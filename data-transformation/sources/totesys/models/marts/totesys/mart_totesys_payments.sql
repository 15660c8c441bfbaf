-- grain: one row per payment of the second company that it has now, due or done
with

payments as (

    select * from {{ ref('fact_payment_current') }}

),

payment_types as (

    select * from {{ ref('dim_payment_type') }}

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

final as (

    select
        payments.payment_id,
        payments.created_date,
        payments.payment_date,
        payment_types.payment_type_name,
        case
            when payment_types.payment_type_name in ('SALES_RECEIPT', 'PURCHASE_REFUND') then 'To us'
            when payment_types.payment_type_name in ('PURCHASE_PAYMENT', 'SALES_REFUND') then 'From us'
            else 'Unknown'
        end as direction,
        case
            when payments.paid then 'Paid'
            when payments.payment_date is null then 'Due, no day agreed'
            when payments.payment_date < {{ build_day() }} then 'Overdue'
            else 'Due'
        end as payment_state,
        counterparties.counterparty_legal_country as country,
        coalesce(currencies.currency_code, 'Unknown') as currency_code,
        payments.payment_amount as amount,
        {{ in_usd('payments.payment_amount', 'rates.per_usd') }} as amount_usd,
        rates.rate_origin
    from payments
    inner join payment_types on payments.payment_type_id = payment_types.payment_type_id
    inner join counterparties on payments.counterparty_id = counterparties.counterparty_id
    inner join currencies on payments.currency_id = currencies.currency_id
    left join rates
        on
            currencies.currency_code = rates.currency_code
            and payments.created_date = rates.rate_date

)

select * from final
