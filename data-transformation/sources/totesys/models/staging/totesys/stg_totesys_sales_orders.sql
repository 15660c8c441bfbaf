-- grain: one row per version of a sales order: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('sales_order') }}

),

renamed as (

    select
        -- ids
        sales_order_id,
        design_id,
        staff_id,
        counterparty_id,
        currency_id,
        agreed_delivery_location_id,

        -- numerics
        units_sold,
        {{ amount('unit_price') }} as unit_price,

        -- days
        agreed_delivery_date as agreed_delivery_text,
        {{ iso_date('agreed_delivery_date') }} as agreed_delivery_date,
        agreed_payment_date as agreed_payment_text,
        {{ iso_date('agreed_payment_date') }} as agreed_payment_date,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('sales_order', 'sales_order_id') }}
    from source

)

select * from renamed
