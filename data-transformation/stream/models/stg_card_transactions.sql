-- grain: payment by card
with payments as (
    select * from {{ source('events', 'card_transactions') }} final
),

renamed as (
    select
        -- ids
        event_id,
        creditcardid as credit_card_id,
        merchant_id,
        -- text
        merchant_category,
        channel,
        country != card_country as is_abroad,
        -- numerics
        amount,
        -- timestamps
        occurred_at as paid_at
    from payments
)

select * from renamed
