-- grain: one row per sales order that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{#- what is part of an order: streams whose key begins with its own -#}
{%- set parts = ['salesorderheader', 'salesorderdetail', 'salesorderheadersalesreason'] %}

{#- what a header points to -#}
{%- set concerned = [
    names_newer('customer_id', 'adventureworks_sales', 'customer', 'customerid'),
    names_newer('salesperson_id', 'adventureworks_sales', 'salesperson', 'businessentityid'),
    names_newer('territory_id', 'adventureworks_sales', 'salesterritory', 'territoryid'),
    names_newer('bill_to_address_id', 'adventureworks_person', 'address', 'addressid'),
    names_newer('ship_to_address_id', 'adventureworks_person', 'address', 'addressid'),
    names_newer('ship_method_id', 'adventureworks_purchasing', 'shipmethod', 'shipmethodid'),
    names_newer('credit_card_id', 'adventureworks_sales', 'creditcard', 'creditcardid'),
    names_newer('currency_rate_id', 'adventureworks_sales', 'currencyrate', 'currencyrateid'),
    has_newer('adventureworks_sales', 'currency'),
    any_gone('adventureworks_sales', parts)
] %}

with

headers as (

    select * from {{ ref('stg_sales_order_headers') }}

),

former_customers as (

    select * from {{ ref('customers_snapshot') }}
    where dbt_valid_to is not null

),

touched as (

    {{ of_newer('adventureworks_sales', parts, 'salesorderid', 'order_id') }}

    union distinct

    select order_id
    from headers
    where {{ any_of(concerned) }}

    union distinct

    -- a version of a customer began with the end of another
    select headers.order_id
    from headers
    inner join former_customers on headers.customer_id = former_customers.customer_id
    where headers.ordered_at >= former_customers.dbt_valid_to

)

select order_id from touched
