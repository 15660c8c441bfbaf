-- grain: one row per purchase order that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{#- what is part of a purchase order: streams whose key begins with its own -#}
{%- set parts = ['purchaseorderheader', 'purchaseorderdetail'] %}

{#- what a header points to -#}
{%- set concerned = [
    names_newer('vendor_id', 'adventureworks_purchasing', 'vendor', 'businessentityid'),
    names_newer('ship_method_id', 'adventureworks_purchasing', 'shipmethod', 'shipmethodid'),
    names_newer('buyer_id', 'adventureworks_humanresources', 'employee', 'businessentityid'),
    names_newer('buyer_id', 'adventureworks_humanresources', 'employeedepartmenthistory', 'businessentityid'),
    any_gone('adventureworks_purchasing', parts)
] %}

with

headers as (

    select * from {{ ref('stg_purchase_order_headers') }}

),

lines as (

    select * from {{ ref('stg_purchase_order_details') }}

),

touched_products as (

    select * from {{ ref('int_touched_products') }}

),

touched as (

    {{ of_newer('adventureworks_purchasing', parts, 'purchaseorderid', 'purchase_order_id') }}

    union distinct

    select purchase_order_id
    from headers
    where {{ any_of(concerned) }}

    union distinct

    select lines.purchase_order_id
    from lines
    inner join touched_products on lines.product_id = touched_products.product_id

)

select purchase_order_id from touched
