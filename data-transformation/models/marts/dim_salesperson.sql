-- grain: one row per salesperson as they are now, and the unknown salesperson (which stands for none, too)
with

salespeople as (

    select * from {{ ref('stg_salespeople') }}

),

people as (

    select * from {{ ref('stg_people') }}

),

employees as (

    select * from {{ ref('stg_employees') }}

),

territories as (

    select * from {{ ref('stg_sales_territories') }}

),

described as (

    select
        {{ surrogate_key(['salespeople.salesperson_id']) }} as salesperson_key,
        salespeople.salesperson_id,
        coalesce(people.person_name, 'Unknown') as salesperson_name,
        coalesce(employees.job_title, 'Unknown') as job_title,
        employees.hire_date,
        employees.is_current_employee,
        coalesce(territories.territory_name, 'None') as home_territory_name
    from salespeople
    left join people on salespeople.salesperson_id = people.person_id
    left join employees on salespeople.salesperson_id = employees.employee_id
    left join territories on salespeople.territory_id = territories.territory_id

),

unknown_salesperson as (

    select
        {{ unknown_key() }} as salesperson_key,
        cast(null as integer) as salesperson_id,
        'Unknown' as salesperson_name,
        'Unknown' as job_title,
        cast(null as date) as hire_date,
        cast(null as boolean) as is_current_employee,
        'Unknown' as home_territory_name

)

select * from described
union all
select * from unknown_salesperson
