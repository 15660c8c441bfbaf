-- grain: one row per customer
with

source as (

    select * from {{ source('adventureworks_sales', 'customer') }}

),

renamed as (

    select
        -- ids
        customerid as customer_id,
        personid as person_id,
        storeid as store_id,
        territoryid as territory_id,

        -- text; the original's computed account number
        'AW' || lpad(cast(customerid as varchar), 8, '0') as account_number,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'customer')) }}

)

select * from renamed
