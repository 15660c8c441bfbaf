-- grain: one row per product
with

source as (

    select * from {{ source('adventureworks_production', 'product') }}

),

renamed as (

    select
        -- ids
        productid as product_id,
        productsubcategoryid as product_subcategory_id,
        productmodelid as product_model_id,

        -- text
        name as product_name,
        productnumber as product_number,
        color,
        size as product_size,
        trim(sizeunitmeasurecode) as size_unit_code,
        trim(weightunitmeasurecode) as weight_unit_code,
        trim(productline) as product_line_code,
        trim(class) as class_code,
        trim(style) as style_code,

        -- numerics
        {{ amount('standardcost') }} as standard_cost,
        {{ amount('listprice') }} as list_price,
        cast(weight as decimal(8, 2)) as weight,
        safetystocklevel as safety_stock_level,
        reorderpoint as reorder_point,
        daystomanufacture as days_to_manufacture,

        -- booleans
        makeflag as is_made_in_house,
        finishedgoodsflag as is_finished_good,

        -- timestamps
        sellstartdate as sell_start_date,
        sellenddate as sell_end_date,
        discontinueddate as discontinued_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'product')) }}

)

select * from renamed
