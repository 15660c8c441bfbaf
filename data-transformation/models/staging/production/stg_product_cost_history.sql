-- grain: one row per product and first day of a standard cost
with

source as (

    select * from {{ source('adventureworks_production', 'productcosthistory') }}

),

renamed as (

    select
        -- ids
        productid as product_id,

        -- numerics
        {{ amount('standardcost') }} as standard_cost,

        -- timestamps; the end is the last day on which the cost holds
        startdate as valid_from,
        enddate as last_valid_day,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productcosthistory')) }}

)

select * from renamed
