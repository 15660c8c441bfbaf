-- grain: one row per version of a payment: as it was first read, and after each change
with

versions as (

    select
        *,
        {{ record_number('payment_id') }} as payment_record_id
    from {{ ref('stg_totesys_payments') }}
    where is_change and not is_deleted

),

transactions as (

    select * from {{ ref('dim_transaction') }}

),

counterparties as (

    select * from {{ ref('dim_counterparty') }}

),

currencies as (

    select * from {{ ref('dim_totesys_currency') }}

),

payment_types as (

    select * from {{ ref('dim_payment_type') }}

),

final as (

    select
        versions.payment_record_id,
        versions.payment_id,
        {{ calendar_day('versions.created_at') }} as created_date,
        {{ time_of_day('versions.created_at') }} as created_time,
        {{ calendar_day('versions.last_updated') }} as last_updated_date,
        {{ time_of_day('versions.last_updated') }} as last_updated_time,
        {{ member_or_unknown('transactions.transaction_id') }} as transaction_id,
        {{ member_or_unknown('counterparties.counterparty_id') }} as counterparty_id,
        versions.payment_amount,
        {{ member_or_unknown('currencies.currency_id') }} as currency_id,
        {{ member_or_unknown('payment_types.payment_type_id') }} as payment_type_id,
        versions.paid,
        versions.payment_date
    from versions
    left join transactions on versions.transaction_id = transactions.transaction_id
    left join counterparties on versions.counterparty_id = counterparties.counterparty_id
    left join currencies on versions.currency_id = currencies.currency_id
    left join payment_types on versions.payment_type_id = payment_types.payment_type_id

)

select * from final
