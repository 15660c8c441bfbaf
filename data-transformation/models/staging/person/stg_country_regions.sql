-- grain: one row per country or region
with

source as (

    select * from {{ source('adventureworks_person', 'countryregion') }}

),

renamed as (

    select
        -- ids
        countryregioncode as country_code,

        -- text
        name as country_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'countryregion')) }}

)

select * from renamed
