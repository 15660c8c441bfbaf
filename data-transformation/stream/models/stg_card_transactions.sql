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
        country,
        card_country,
        coalesce(device_id, '') as device_id,
        country != card_country as is_abroad,
        -- numerics
        amount,
        toInt64(amount * 100) as cents,
        -- timestamps
        occurred_at as paid_at,
        toUnixTimestamp64Micro(occurred_at) as paid_at_us,
        -- payments of a card are in one partition, in their order
        offset as kafka_offset
    from payments
)

select * from renamed
