-- grain: one row per sales territory
with

source as (

    select * from {{ source('adventureworks_sales', 'salesterritory') }}

),

renamed as (

    select
        -- ids
        territoryid as territory_id,

        -- text
        name as territory_name,
        countryregioncode as country_code,
        {{ reserved_column('group') }} as territory_group,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesterritory')) }}

)

select * from renamed
