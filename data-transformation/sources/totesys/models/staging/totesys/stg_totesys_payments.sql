-- grain: one row per version of a payment: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('payment') }}

),

renamed as (

    select
        -- ids
        payment_id,
        transaction_id,
        counterparty_id,
        currency_id,
        payment_type_id,

        -- numerics
        {{ amount('payment_amount') }} as payment_amount,

        -- booleans
        paid,

        -- days
        payment_date as payment_text,
        {{ iso_date('payment_date') }} as payment_date,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('payment', 'payment_id') }}
    from source

)

select * from renamed
