-- grain: one row per product that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{#- what versions of a product are made of: streams whose key begins with its own -#}
{%- set parts = ['product', 'productcosthistory', 'productlistpricehistory'] %}

with

products as (

    select * from {{ ref('stg_products') }}

),

touched as (

    {{ of_newer('adventureworks_production', parts, 'productid', 'product_id') }}

    union distinct

    select product_id
    from products
    where {{ any_gone('adventureworks_production', parts) }}

)

select product_id from touched
