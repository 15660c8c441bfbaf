-- grain: one row per employee
with

source as (

    select * from {{ source('adventureworks_humanresources', 'employee') }}

),

renamed as (

    select
        -- ids
        businessentityid as employee_id,

        -- text; birth date, gender and marital status are personal data and stay in raw
        jobtitle as job_title,

        -- booleans
        currentflag as is_current_employee,

        -- dates
        hiredate as hire_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_humanresources', 'employee')) }}

)

select * from renamed
