-- grain: one row per purchase order line
with

source as (

    select * from {{ source('adventureworks_purchasing', 'purchaseorderdetail') }}

),

renamed as (

    select
        -- ids
        purchaseorderid as purchase_order_id,
        purchaseorderdetailid as purchase_order_line_id,
        productid as product_id,

        -- numerics
        orderqty as ordered_quantity,
        {{ amount('unitprice') }} as unit_price,
        cast(receivedqty as decimal(8, 2)) as received_quantity,
        cast(rejectedqty as decimal(8, 2)) as rejected_quantity,

        -- timestamps
        duedate as due_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_purchasing', 'purchaseorderdetail')) }}

),

-- what the original computes
computed as (

    select
        *,
        cast(received_quantity - rejected_quantity as decimal(9, 2)) as stocked_quantity,
        cast({{ product(['unit_price', 'ordered_quantity']) }} as decimal(38, 4)) as line_total
    from renamed

)

select * from computed
