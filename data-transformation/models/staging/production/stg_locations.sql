-- grain: one row per place where goods are made or kept
with

source as (

    select * from {{ source('adventureworks_production', 'location') }}

),

renamed as (

    select
        -- ids
        locationid as location_id,

        -- text
        name as location_name,

        -- numerics
        {{ amount('costrate') }} as hourly_cost_rate,
        cast(availability as decimal(8, 2)) as available_hours,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'location')) }}

)

select * from renamed
