-- grain: one row per version of a design: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('design') }}

),

renamed as (

    select
        -- ids
        design_id,

        -- text
        design_name,
        file_location,
        file_name,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('design', 'design_id') }}
    from source

)

select * from renamed
