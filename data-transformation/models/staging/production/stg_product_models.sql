-- grain: one row per product model
with

source as (

    select * from {{ source('adventureworks_production', 'productmodel') }}

),

renamed as (

    select
        -- ids
        productmodelid as product_model_id,

        -- text
        name as product_model,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'productmodel')) }}

)

select * from renamed
