-- Changes of pay and the sum of their rates equal the raw layer's.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum({{ amount('rate') }}), 0) as hourly_rate
    from {{ source('adventureworks_humanresources', 'employeepayhistory') }}
    where {{ not_deleted(source('adventureworks_humanresources', 'employeepayhistory')) }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(hourly_rate), 0) as hourly_rate
    from {{ ref('fct_employee_pay') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'hourly_rate']) }}
