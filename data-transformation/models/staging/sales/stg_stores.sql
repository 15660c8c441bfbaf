-- grain: one row per store that buys from us
with

source as (

    select * from {{ source('adventureworks_sales', 'store') }}

),

renamed as (

    select
        -- ids
        businessentityid as store_id,
        salespersonid as salesperson_id,

        -- text
        name as store_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'store')) }}

)

select * from renamed
