-- grain: one row per product and first day of a list price
with

source as (

    select * from {{ source('adventureworks_production', 'productlistpricehistory') }}

),

renamed as (

    select
        -- ids
        productid as product_id,

        -- numerics
        {{ amount('listprice') }} as list_price,

        -- timestamps; the end is the last day on which the price holds
        startdate as valid_from,
        enddate as last_valid_day,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productlistpricehistory')) }}

)

select * from renamed
