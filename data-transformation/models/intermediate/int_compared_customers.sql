-- grain: one row per customer whose state the snapshot compares: those that have been touched, or all
{{ config(materialized='ephemeral') }}

{%- set touched_customers = touched('customers') %}

with

customers as (

    select
        customer_id,
        account_number,
        customer_type,
        customer_name,
        store_name,
        person_name,
        masked_email,
        masked_phone,
        email_promotion,
        territory_name,
        city,
        postal_code,
        state_name,
        country_name
    from {{ ref('int_customers') }}
    {%- if only_touched() %}
    where customer_id in (select touched.customer_id from {{ touched_customers }} as touched)
    {%- endif %}

)

select * from customers
