-- grain: one row per employee and stay in a department (SCD 2), and the unknown employee
with

versions as (

    select * from {{ ref('int_employee_versions') }}

),

employees as (

    select * from {{ ref('stg_employees') }}

),

people as (

    select * from {{ ref('stg_people') }}

),

departments as (

    select * from {{ ref('dim_department') }}

),

shifts as (

    select * from {{ ref('stg_shifts') }}

),

described as (

    select
        {{ surrogate_key(['versions.employee_id', timestamp_text('versions.valid_from')]) }} as employee_key,
        versions.employee_id,
        coalesce(people.person_name, 'Unknown') as employee_name,
        employees.job_title,
        employees.hire_date,
        employees.is_current_employee,
        {{ key_or_unknown('departments.department_key') }} as department_key,
        coalesce(departments.department_name, 'Unknown') as department_name,
        coalesce(departments.department_group, 'Unknown') as department_group,
        coalesce(shifts.shift_name, 'Unknown') as shift_name,
        versions.valid_from,
        versions.valid_to,
        versions.valid_to = {{ end_of_time() }} as is_current,
        cast(versions.version_number as integer) as version_number
    from versions
    inner join employees on versions.employee_id = employees.employee_id
    left join people on versions.employee_id = people.person_id
    left join departments on versions.department_id = departments.department_id
    left join shifts on versions.shift_id = shifts.shift_id

),

unknown_employee as (

    select
        {{ unknown_key() }} as employee_key,
        cast(null as integer) as employee_id,
        'Unknown' as employee_name,
        'Unknown' as job_title,
        cast(null as date) as hire_date,
        cast(null as boolean) as is_current_employee,
        {{ unknown_key() }} as department_key,
        'Unknown' as department_name,
        'Unknown' as department_group,
        'Unknown' as shift_name,
        {{ beginning_of_time() }} as valid_from,
        {{ end_of_time() }} as valid_to,
        true as is_current,
        1 as version_number

)

select * from described
union all
select * from unknown_employee
