-- Movements, recent and archived, their quantities and costs equal the raw layer's.
with

raw_rows as (

    select
        transactionid,
        quantity,
        {{ amount('actualcost') }} as actual_cost
    from {{ source('adventureworks_production', 'transactionhistory') }}
    where {{ not_deleted(source('adventureworks_production', 'transactionhistory')) }}

    union all

    select
        transactionid,
        quantity,
        {{ amount('actualcost') }} as actual_cost
    from {{ source('adventureworks_production', 'transactionhistoryarchive') }}
    where
        {{ not_deleted(source('adventureworks_production', 'transactionhistoryarchive')) }}
        and transactionid not in (
            select recent.transactionid from {{ source('adventureworks_production', 'transactionhistory') }} as recent
        )

),

raw_sums as (

    select
        count(*) as row_count,
        coalesce(sum(quantity), 0) as quantity,
        coalesce(sum(actual_cost), 0) as actual_cost
    from raw_rows

),

fact_sums as (

    select
        count(*) as row_count,
        coalesce(sum(quantity), 0) as quantity,
        coalesce(sum(actual_cost), 0) as actual_cost
    from {{ ref('fct_inventory_movements') }}

)

select fact_sums.*
from raw_sums
cross join fact_sums
where
    {{ any_differs('raw_sums', 'fact_sums', ['row_count', 'quantity', 'actual_cost']) }}
