-- grain: one row per product and location, as it is now
with

source as (

    select * from {{ source('adventureworks_production', 'productinventory') }}

),

renamed as (

    select
        -- ids
        productid as product_id,
        locationid as location_id,

        -- text
        shelf,
        bin as bin_number,

        -- numerics
        quantity,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productinventory')) }}

)

select * from renamed
