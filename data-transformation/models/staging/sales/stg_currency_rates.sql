-- grain: one row per exchange rate of a day
with

source as (

    select * from {{ source('adventureworks_sales', 'currencyrate') }}

),

renamed as (

    select
        -- ids
        currencyrateid as currency_rate_id,
        trim(fromcurrencycode) as from_currency_code,
        trim(tocurrencycode) as to_currency_code,

        -- numerics
        {{ amount('averagerate', decimals=10, digits=28) }} as average_rate,
        {{ amount('endofdayrate', decimals=10, digits=28) }} as end_of_day_rate,

        -- timestamps
        currencyratedate as rate_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'currencyrate')) }}

)

select * from renamed
