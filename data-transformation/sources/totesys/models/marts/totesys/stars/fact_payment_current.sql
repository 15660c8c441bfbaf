-- grain: one row per payment that the source has, as it is now
with

versions as (

    select * from {{ ref('fact_payment') }}

),

newest as (

    select
        payment_id,
        max(payment_record_id) as payment_record_id
    from versions
    group by payment_id

),

present as (

    select payment_id
    from {{ ref('stg_totesys_payments') }}
    where is_current

),

final as (

    select
        versions.payment_record_id,
        versions.payment_id,
        versions.created_date,
        versions.created_time,
        versions.last_updated_date,
        versions.last_updated_time,
        versions.transaction_id,
        versions.counterparty_id,
        versions.payment_amount,
        versions.currency_id,
        versions.payment_type_id,
        versions.paid,
        versions.payment_date
    from versions
    inner join newest on versions.payment_record_id = newest.payment_record_id
    inner join present on versions.payment_id = present.payment_id

)

select * from final
