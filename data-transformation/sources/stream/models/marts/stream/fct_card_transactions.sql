-- grain: one row per payment by card
{{
    config(
        materialized='incremental',
        unique_key='card_transaction_key',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_stream_card_transactions'), ['event_id']) }}"
    )
}}

with

payments as (

    select *
    from {{ ref('stg_stream_card_transactions') }}
    {%- if is_incremental() %}
    -- what syncs brought since the last build
    where extracted_at >= (select coalesce(max(built.extracted_at), {{ beginning_of_time() }}) from {{ this }} as built)
    {%- endif %}

),

final as (

    select
        {{ surrogate_key(['event_id']) }} as card_transaction_key,
        event_id,
        {{ date_key('occurred_at') }} as transaction_date_key,
        credit_card_id,
        merchant_id,
        merchant_category,
        country_code,
        card_country_code,
        country_code <> card_country_code as is_abroad,
        channel_name,
        amount,
        occurred_at,
        appended_at,
        extracted_at
    from payments

)

select * from final
