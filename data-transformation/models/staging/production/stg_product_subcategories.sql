-- grain: one row per product subcategory
with

source as (

    select * from {{ source('adventureworks_production', 'productsubcategory') }}

),

renamed as (

    select
        -- ids
        productsubcategoryid as product_subcategory_id,
        productcategoryid as product_category_id,

        -- text
        name as product_subcategory,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productsubcategory')) }}

)

select * from renamed
