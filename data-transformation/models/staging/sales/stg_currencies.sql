-- grain: one row per currency
with

source as (

    select * from {{ source('adventureworks_sales', 'currency') }}

),

renamed as (

    select
        -- ids
        trim(currencycode) as currency_code,

        -- text
        name as currency_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'currency')) }}

)

select * from renamed
