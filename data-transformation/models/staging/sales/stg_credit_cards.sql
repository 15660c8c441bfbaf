-- grain: one row per credit card
with

source as (

    select * from {{ source('adventureworks_sales', 'creditcard') }}

),

renamed as (

    select
        -- ids
        creditcardid as credit_card_id,

        -- text
        cardtype as card_type,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'creditcard')) }}

)

select * from renamed
