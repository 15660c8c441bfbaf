-- grain: one row per older movement of goods
with

source as (

    select * from {{ source('adventureworks_production', 'transactionhistoryarchive') }}

),

renamed as (

    select
        -- ids
        transactionid as transaction_id,
        productid as product_id,
        referenceorderid as reference_order_id,
        referenceorderlineid as reference_order_line_id,

        -- text
        trim(transactiontype) as movement_type_code,

        -- numerics
        quantity,
        {{ amount('actualcost') }} as actual_cost,

        -- timestamps
        transactiondate as moved_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'transactionhistoryarchive')) }}

)

select * from renamed
