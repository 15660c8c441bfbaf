-- grain: one row per customer that newer raw rows concern than the marts were built from (macros/touched.sql)
{{ config(materialized='ephemeral') }}

{%- set concerned = [
    names_newer('customer_id', 'adventureworks_sales', 'customer', 'customerid'),
    names_newer('store_id', 'adventureworks_sales', 'store', 'businessentityid'),
    names_newer('person_id', 'adventureworks_person', 'person', 'businessentityid'),
    names_newer('person_id', 'adventureworks_person', 'emailaddress', 'businessentityid'),
    names_newer('person_id', 'adventureworks_person', 'personphone', 'businessentityid'),
    names_newer('entity_id', 'adventureworks_person', 'businessentityaddress', 'businessentityid'),
    names_newer('address_id', 'adventureworks_person', 'address', 'addressid'),
    has_newer('adventureworks_sales', 'salesterritory'),
    has_newer('adventureworks_person', 'addresstype'),
    has_newer('adventureworks_person', 'stateprovince'),
    has_newer('adventureworks_person', 'countryregion')
] %}

with

customers as (

    select
        *,
        coalesce(store_id, person_id) as entity_id
    from {{ ref('stg_customers') }}

),

entity_addresses as (

    select * from {{ ref('stg_business_entity_addresses') }}

),

addressed as (

    select
        customers.*,
        entity_addresses.address_id
    from customers
    left join entity_addresses on customers.entity_id = entity_addresses.business_entity_id

)

select distinct customer_id
from addressed
where {{ any_of(concerned) }}
