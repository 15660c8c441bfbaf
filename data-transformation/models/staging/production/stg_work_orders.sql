-- grain: one row per work order
with

source as (

    select * from {{ source('adventureworks_production', 'workorder') }}

),

renamed as (

    select
        -- ids
        workorderid as work_order_id,
        productid as product_id,
        scrapreasonid as scrap_reason_id,

        -- numerics; what is stocked the original computes
        orderqty as ordered_quantity,
        scrappedqty as scrapped_quantity,
        cast(orderqty as bigint) - scrappedqty as stocked_quantity,

        -- timestamps
        startdate as started_at,
        enddate as ended_at,
        duedate as due_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'workorder')) }}

)

select * from renamed
