-- grain: one row per department, and the unknown department
with

departments as (

    select * from {{ ref('stg_departments') }}

),

described as (

    select
        {{ surrogate_key(['department_id']) }} as department_key,
        department_id,
        department_name,
        department_group
    from departments

),

unknown_department as (

    select
        {{ unknown_key() }} as department_key,
        cast(null as integer) as department_id,
        'Unknown' as department_name,
        'Unknown' as department_group

)

select * from described
union all
select * from unknown_department
