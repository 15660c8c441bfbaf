-- grain: one row per product category
with

source as (

    select * from {{ source('adventureworks_production', 'productcategory') }}

),

renamed as (

    select
        -- ids
        productcategoryid as product_category_id,

        -- text
        name as product_category,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productcategory')) }}

)

select * from renamed
