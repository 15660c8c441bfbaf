-- grain: one row per employee, first day, department and shift
with

source as (

    select * from {{ source('adventureworks_humanresources', 'employeedepartmenthistory') }}

),

renamed as (

    select
        -- ids
        businessentityid as employee_id,
        departmentid as department_id,
        shiftid as shift_id,

        -- dates; the end is the last day in the department
        startdate as start_date,
        enddate as end_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_humanresources', 'employeedepartmenthistory')) }}

)

select * from renamed
