-- grain: one row per employee and change of pay; for HR only (schema marts_restricted, never published)
{{ config(schema='marts_restricted') }}

with

changes as (

    select * from {{ ref('stg_employee_pay_history') }}

),

employees as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_employee') }}

),

compared as (

    select
        *,
        lag(hourly_rate) over (partition by employee_id order by changed_at) as previous_hourly_rate
    from changes

),

final as (

    select
        {{ surrogate_key(['compared.employee_id', timestamp_text('compared.changed_at')]) }} as employee_pay_key,
        compared.employee_id,
        {{ key_or_unknown('employees.employee_key') }} as employee_key,
        {{ key_or_unknown('employees.department_key') }} as department_key,
        {{ date_key('compared.changed_at') }} as change_date_key,
        case compared.pay_frequency_id when 1 then 'Monthly' when 2 then 'Biweekly' else 'Unknown' end
            as pay_frequency_name,
        compared.hourly_rate,
        compared.previous_hourly_rate,
        cast(cast(compared.hourly_rate as decimal(38, 4)) - compared.previous_hourly_rate as decimal(38, 4))
            as rate_change
    from compared
    left join employees
        on
            compared.employee_id = employees.employee_id
            and compared.changed_at >= employees.applies_from
            and compared.changed_at < employees.valid_to

)

select * from final
