-- grain: one row per ship method
with

source as (

    select * from {{ source('adventureworks_purchasing', 'shipmethod') }}

),

renamed as (

    select
        -- ids
        shipmethodid as ship_method_id,

        -- text
        name as ship_method_name,

        -- numerics
        {{ amount('shipbase') }} as ship_base,
        {{ amount('shiprate') }} as ship_rate,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_purchasing', 'shipmethod')) }}

)

select * from renamed
