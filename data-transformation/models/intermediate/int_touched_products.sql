-- grain: one row per product that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{#- what versions of a product are made of: streams whose key begins with its own -#}
{%- set parts = ['product', 'productcosthistory', 'productlistpricehistory'] %}

with

products as (

    select * from {{ ref('stg_products') }}

),

touched as (

    {%- for part in parts %}

    select productid as product_id
    from {{ source('adventureworks_production', part) }}
    where {{ is_newer('adventureworks_production', part) }}

    union distinct
    {%- endfor %}

    select product_id
    from products
    where {{ any_gone('adventureworks_production', parts) }}

)

select product_id from touched
