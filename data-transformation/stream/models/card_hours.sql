{{ config(materialized='table', engine='MergeTree()', order_by='(credit_card_id, hour_start)') }}
-- grain: card × hour
with payments as (
    select * from {{ ref('stg_card_transactions') }}
),

hours as (
    select
        credit_card_id,
        toStartOfHour(paid_at) as hour_start,
        count() as payments,
        sum(amount) as amount_paid,
        max(amount) as largest_amount,
        countIf(is_abroad) as payments_abroad,
        count(distinct merchant_id) as merchants
    from payments
    group by credit_card_id, hour_start
)

select * from hours
