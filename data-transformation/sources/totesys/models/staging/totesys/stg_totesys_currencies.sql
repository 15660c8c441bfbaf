-- grain: one row per version of a currency: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('currency') }}

),

renamed as (

    select
        -- ids
        currency_id,

        -- text
        upper(trim(currency_code)) as currency_code,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('currency', 'currency_id') }}
    from source

)

select * from renamed
