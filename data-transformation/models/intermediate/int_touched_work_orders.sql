-- grain: one row per work order that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{#- what is part of a work order: streams whose key begins with its own -#}
{%- set parts = ['workorder', 'workorderrouting'] %}

with

work_orders as (

    select * from {{ ref('stg_work_orders') }}

),

touched as (

    {{ of_newer('adventureworks_production', parts, 'workorderid', 'work_order_id') }}

    union distinct

    select work_order_id
    from work_orders
    where
        {{ any_of([
            any_gone('adventureworks_production', parts),
            names_newer('scrap_reason_id', 'adventureworks_production', 'scrapreason', 'scrapreasonid')
        ]) }}

)

select work_order_id from touched
