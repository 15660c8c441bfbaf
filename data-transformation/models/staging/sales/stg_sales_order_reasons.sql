-- grain: one row per sales order and sales reason
with

source as (

    select * from {{ source('adventureworks_sales', 'salesorderheadersalesreason') }}

),

renamed as (

    select
        -- ids
        salesorderid as order_id,
        salesreasonid as sales_reason_id,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesorderheadersalesreason')) }}

)

select * from renamed
