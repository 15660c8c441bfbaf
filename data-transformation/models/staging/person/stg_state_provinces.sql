-- grain: one row per state or province
with

source as (

    select * from {{ source('adventureworks_person', 'stateprovince') }}

),

renamed as (

    select
        -- ids
        stateprovinceid as state_province_id,
        territoryid as territory_id,

        -- text
        trim(stateprovincecode) as state_code,
        countryregioncode as country_code,
        name as state_name,

        -- booleans
        isonlystateprovinceflag as is_only_state,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'stateprovince')) }}

)

select * from renamed
