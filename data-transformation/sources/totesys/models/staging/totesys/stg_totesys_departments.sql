-- grain: one row per version of a department: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('department') }}

),

renamed as (

    select
        -- ids
        department_id,

        -- text
        department_name,
        location,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('department', 'department_id') }}
    from source

)

select * from renamed
