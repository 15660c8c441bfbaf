-- Planned and actual cost of the operations equal the raw layer's.
with

raw_rows as (

    select
        coalesce(sum({{ amount('plannedcost') }}), 0) as planned_cost,
        coalesce(sum({{ amount('actualcost') }}), 0) as actual_cost
    from {{ source('adventureworks_production', 'workorderrouting') }}
    where {{ not_deleted(source('adventureworks_production', 'workorderrouting')) }}

),

fact_rows as (

    select
        coalesce(sum(planned_cost), 0) as planned_cost,
        coalesce(sum(actual_cost), 0) as actual_cost
    from {{ ref('fct_work_orders') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['planned_cost', 'actual_cost']) }}
