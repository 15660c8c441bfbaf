-- grain: one row per day of trade and pair of currencies
with

source as (

    select * from {{ raw_rates() }}

),

renamed as (

    select
        -- text
        base as base_currency_code,
        quote as currency_code,

        -- numerics
        {{ amount('rate', decimals=10, digits=28) }} as rate,

        -- timestamps
        {{ reserved_column('date') }} as rate_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source

)

select * from renamed
