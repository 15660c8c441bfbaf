-- grain: one row per purchase order
with

source as (

    select * from {{ source('adventureworks_purchasing', 'purchaseorderheader') }}

),

renamed as (

    select
        -- ids
        purchaseorderid as purchase_order_id,
        employeeid as buyer_id,
        vendorid as vendor_id,
        shipmethodid as ship_method_id,

        -- numerics
        revisionnumber as revision_number,
        status as purchase_order_status_id,
        {{ amount('subtotal') }} as subtotal,
        {{ amount('taxamt') }} as tax_amount,
        {{ amount('freight') }} as freight_amount,

        -- timestamps
        orderdate as ordered_at,
        shipdate as shipped_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_purchasing', 'purchaseorderheader')) }}

),

-- what the original computes
computed as (

    select
        *,
        cast(cast(subtotal as decimal(38, 4)) + tax_amount + freight_amount as decimal(38, 4)) as total_due
    from renamed

)

select * from computed
