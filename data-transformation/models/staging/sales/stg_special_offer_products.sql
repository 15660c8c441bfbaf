-- grain: one row per special offer and product
with

source as (

    select * from {{ source('adventureworks_sales', 'specialofferproduct') }}

),

renamed as (

    select
        -- ids
        specialofferid as special_offer_id,
        productid as product_id,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'specialofferproduct')) }}

)

select * from renamed
