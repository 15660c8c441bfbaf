-- grain: one row per member of staff, as last known, and the unknown one
with

staff as (

    select * from {{ ref('stg_totesys_staff') }}

),

departments as (

    select * from {{ ref('stg_totesys_departments') }}

),

described as (

    select
        staff.staff_id,
        staff.first_name,
        staff.last_name,
        departments.department_name,
        departments.location,
        staff.email_address
    from staff
    left join departments
        on
            staff.department_id = departments.department_id
            and departments.is_last_known
    where staff.is_last_known

),

unknown as (

    select
        -1 as staff_id,
        'Unknown' as first_name,
        'Unknown' as last_name,
        'Unknown' as department_name,
        cast(null as varchar) as location, -- noqa: RF04
        cast(null as varchar) as email_address

)

select * from described
union all
select * from unknown
