-- grain: one row per department
with

source as (

    select * from {{ source('adventureworks_humanresources', 'department') }}

),

renamed as (

    select
        -- ids
        departmentid as department_id,

        -- text
        name as department_name,
        groupname as department_group,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_humanresources', 'department')) }}

)

select * from renamed
