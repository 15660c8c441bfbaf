-- grain: one row per version of a member of staff: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('staff') }}

),

renamed as (

    select
        -- ids
        staff_id,
        department_id,

        -- text
        first_name,
        last_name,
        {{ mask_email('email_address') }} as email_address,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('staff', 'staff_id') }}
    from source

)

select * from renamed
