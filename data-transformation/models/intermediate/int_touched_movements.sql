-- grain: one row per movement of goods that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{%- set parts = ['transactionhistory', 'transactionhistoryarchive'] %}

with

movements as (

    select * from {{ ref('int_inventory_movements') }}

),

touched as (

    {{ of_newer('adventureworks_production', parts, 'transactionid', 'transaction_id') }}

    union distinct

    select transaction_id
    from movements
    where {{ any_gone('adventureworks_production', parts) }}

)

select transaction_id from touched
