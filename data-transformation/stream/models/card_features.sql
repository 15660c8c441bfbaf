-- grain: payment by card
with payments as (
    select * from {{ ref('stg_card_transactions') }}
),

remembered as (
    select
        *,
        groupArray((paid_at_us, cents, country, device_id)) over (
            partition by credit_card_id
            order by kafka_offset
            rows between {{ var('remembered_payments') }} preceding and 1 preceding
        ) as history
    from payments
),

described as (
    select
        event_id,
        credit_card_id,
        paid_at,
        {{ features() }}
    from remembered
)

select * from described
