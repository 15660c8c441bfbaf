-- grain: one row per employee and day on which a stay in a department began
with

employees as (

    select * from {{ ref('stg_employees') }}

),

department_history as (

    select * from {{ ref('stg_employee_department_history') }}

),

-- of several stays that begin on one day, the one that lasts longest
stays as (

    select
        employee_id,
        department_id,
        shift_id,
        cast(start_date as timestamp) as valid_from
    from department_history
    where start_date < {{ end_of_time() }} -- infinity: never
    qualify row_number() over (
        partition by employee_id, start_date
        order by coalesce(end_date, cast('9999-12-31' as date)) desc, department_id asc, shift_id asc
    ) = 1

),

-- an employee without any stay has one version, from the day of hire
versions as (

    select
        employee_id,
        department_id,
        shift_id,
        valid_from
    from stays

    union all

    select
        employee_id,
        cast(null as integer) as department_id,
        cast(null as integer) as shift_id,
        case
            when hire_date < {{ end_of_time() }} then cast(hire_date as timestamp) else {{ beginning_of_time() }}
        end as valid_from
    from employees
    where employee_id not in (select stays.employee_id from stays)

),

numbered as (

    select
        employee_id,
        department_id,
        shift_id,
        valid_from,
        coalesce(
            lead(valid_from) over (partition by employee_id order by valid_from), {{ end_of_time() }}
        ) as valid_to,
        row_number() over (partition by employee_id order by valid_from) as version_number
    from versions

)

select * from numbered
