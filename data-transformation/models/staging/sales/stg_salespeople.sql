-- grain: one row per salesperson
with

source as (

    select * from {{ source('adventureworks_sales', 'salesperson') }}

),

renamed as (

    select
        -- ids
        businessentityid as salesperson_id,
        territoryid as territory_id,

        -- numerics
        {{ amount('salesquota') }} as sales_quota,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesperson')) }}

)

select * from renamed
