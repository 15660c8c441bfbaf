-- grain: one row per product and period in which its standard cost and list price held (SCD 2), and the unknown product
with

versions as (

    select * from {{ ref('int_product_versions') }}

),

products as (

    select * from {{ ref('stg_products') }}

),

models as (

    select * from {{ ref('stg_product_models') }}

),

subcategories as (

    select * from {{ ref('stg_product_subcategories') }}

),

categories as (

    select * from {{ ref('stg_product_categories') }}

),

described as (

    select
        {{ surrogate_key(['versions.product_id', timestamp_text('versions.valid_from')]) }} as product_key,
        versions.product_id,
        products.product_number,
        products.product_name,
        coalesce(models.product_model, 'None') as product_model,
        coalesce(subcategories.product_subcategory, 'None') as product_subcategory,
        coalesce(categories.product_category, 'None') as product_category,
        products.color,
        products.product_size,
        products.size_unit_code,
        cast(products.weight as decimal(8, 2)) as weight,
        products.weight_unit_code,
        products.product_line_code,
        products.class_code,
        products.style_code,
        products.is_made_in_house,
        products.is_finished_good,
        products.days_to_manufacture,
        cast(products.sell_start_date as date) as sell_start_date,
        cast(products.sell_end_date as date) as sell_end_date,
        versions.standard_cost,
        versions.list_price,
        versions.cost_known_from,
        versions.cost_known_until,
        versions.valid_from,
        versions.valid_to,
        versions.valid_to = {{ end_of_time() }} as is_current,
        cast(versions.version_number as integer) as version_number
    from versions
    inner join products on versions.product_id = products.product_id
    left join models on products.product_model_id = models.product_model_id
    left join subcategories on products.product_subcategory_id = subcategories.product_subcategory_id
    left join categories on subcategories.product_category_id = categories.product_category_id

),

unknown_product as (

    select
        {{ unknown_key() }} as product_key,
        cast(null as integer) as product_id,
        'Unknown' as product_number,
        'Unknown' as product_name,
        'Unknown' as product_model,
        'Unknown' as product_subcategory,
        'Unknown' as product_category,
        cast(null as varchar) as color,
        cast(null as varchar) as product_size,
        cast(null as varchar) as size_unit_code,
        cast(null as decimal(8, 2)) as weight,
        cast(null as varchar) as weight_unit_code,
        cast(null as varchar) as product_line_code,
        cast(null as varchar) as class_code,
        cast(null as varchar) as style_code,
        cast(null as boolean) as is_made_in_house,
        cast(null as boolean) as is_finished_good,
        cast(null as integer) as days_to_manufacture,
        cast(null as date) as sell_start_date,
        cast(null as date) as sell_end_date,
        cast(null as decimal(18, 4)) as standard_cost,
        cast(null as decimal(18, 4)) as list_price,
        cast(null as timestamp) as cost_known_from,
        cast(null as timestamp) as cost_known_until,
        {{ beginning_of_time() }} as valid_from,
        {{ end_of_time() }} as valid_to,
        true as is_current,
        1 as version_number

)

select * from described
union all
select * from unknown_product
