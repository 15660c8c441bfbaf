-- grain: one row per work order and operation
with

source as (

    select * from {{ source('adventureworks_production', 'workorderrouting') }}

),

renamed as (

    select
        -- ids
        workorderid as work_order_id,
        productid as product_id,
        operationsequence as operation_number,
        locationid as location_id,

        -- numerics
        cast(actualresourcehrs as decimal(9, 4)) as actual_hours,
        {{ amount('plannedcost') }} as planned_cost,
        {{ amount('actualcost') }} as actual_cost,

        -- timestamps
        scheduledstartdate as planned_start_at,
        scheduledenddate as planned_end_at,
        actualstartdate as actual_start_at,
        actualenddate as actual_end_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'workorderrouting')) }}

)

select * from renamed
