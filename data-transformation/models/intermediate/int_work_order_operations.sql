-- grain: one row per work order that has operations, with what they were planned to take and took
{{ config(materialized='table') }}

with

operations as (

    select * from {{ ref('stg_work_order_routings') }}

),

summed as (

    select
        work_order_id,
        count(*) as operation_count,
        min(planned_start_at) as planned_start_at,
        max(planned_end_at) as planned_end_at,
        min(actual_start_at) as actual_start_at,
        max(actual_end_at) as actual_end_at,
        sum(actual_hours) as actual_hours,
        sum(planned_cost) as planned_cost,
        sum(actual_cost) as actual_cost,
        max(extracted_at) as extracted_at
    from operations
    group by work_order_id

)

select * from summed
