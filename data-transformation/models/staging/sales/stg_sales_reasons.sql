-- grain: one row per sales reason
with

source as (

    select * from {{ source('adventureworks_sales', 'salesreason') }}

),

renamed as (

    select
        -- ids
        salesreasonid as sales_reason_id,

        -- text
        name as sales_reason,
        reasontype as sales_reason_type,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesreason')) }}

)

select * from renamed
