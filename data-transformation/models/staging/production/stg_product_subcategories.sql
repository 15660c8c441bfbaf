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
        cast(_airbyte_extracted_at as timestamp) as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productsubcategory')) }}

)

select * from renamed
