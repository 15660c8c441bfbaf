-- Work orders and their quantities equal the raw layer's.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum(orderqty), 0) as ordered_quantity,
        coalesce(sum(scrappedqty), 0) as scrapped_quantity
    from {{ source('adventureworks_production', 'workorder') }}
    where {{ not_deleted(source('adventureworks_production', 'workorder')) }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(ordered_quantity), 0) as ordered_quantity,
        coalesce(sum(scrapped_quantity), 0) as scrapped_quantity
    from {{ ref('fct_work_orders') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'ordered_quantity', 'scrapped_quantity']) }}
