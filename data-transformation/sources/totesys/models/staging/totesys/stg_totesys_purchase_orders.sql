-- grain: one row per version of a purchase order: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('purchase_order') }}

),

renamed as (

    select
        -- ids
        purchase_order_id,
        staff_id,
        counterparty_id,
        currency_id,
        agreed_delivery_location_id,

        -- text
        item_code,

        -- numerics
        item_quantity,
        {{ amount('item_unit_price') }} as item_unit_price,

        -- days
        agreed_delivery_date as agreed_delivery_text,
        {{ iso_date('agreed_delivery_date') }} as agreed_delivery_date,
        agreed_payment_date as agreed_payment_text,
        {{ iso_date('agreed_payment_date') }} as agreed_payment_date,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('purchase_order', 'purchase_order_id') }}
    from source

)

select * from renamed
