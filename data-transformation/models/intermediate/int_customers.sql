-- grain: one row per customer as it is now; those that the snapshot compares: the touched ones, or all
{{ config(materialized='ephemeral') }}

{%- set is_touched = among_touched('customer_id', 'customers') %}

with

customers as (

    select * from {{ ref('stg_customers') }}
    {%- if only_touched() %}
    where {{ is_touched }}
    {%- endif %}

),

people as (

    select * from {{ ref('stg_people') }}

),

stores as (

    select * from {{ ref('stg_stores') }}

),

territories as (

    select * from {{ ref('stg_sales_territories') }}

),

first_emails as (

    select
        person_id,
        masked_email
    from {{ ref('stg_email_addresses') }}
    where person_id in (select customers.person_id from customers)
    qualify row_number() over (partition by person_id order by email_address_id) = 1

),

first_phones as (

    select
        person_id,
        masked_phone
    from {{ ref('stg_phones') }}
    where person_id in (select customers.person_id from customers)
    qualify row_number() over (partition by person_id order by phone_type_id, phone_id) = 1

),

-- home for a person, main office for a store, whatever else there is if neither is known
main_addresses as (

    select
        entity_addresses.business_entity_id,
        addresses.city,
        addresses.postal_code,
        addresses.state_name,
        addresses.country_name
    from {{ ref('stg_business_entity_addresses') }} as entity_addresses
    inner join {{ ref('int_addresses') }} as addresses on entity_addresses.address_id = addresses.address_id
    left join {{ ref('stg_address_types') }} as address_types
        on entity_addresses.address_type_id = address_types.address_type_id
    where
        entity_addresses.business_entity_id
        in (select coalesce(customers.store_id, customers.person_id) from customers)
    qualify row_number() over (
        partition by entity_addresses.business_entity_id
        order by
            case when address_types.address_type_name in ('Home', 'Main Office') then 1 else 2 end asc,
            entity_addresses.address_type_id asc,
            entity_addresses.address_id desc
    ) = 1

),

joined as (

    select
        customers.customer_id,
        customers.account_number,
        case when customers.store_id is null then 'Individual' else 'Store' end as customer_type,
        coalesce(stores.store_name, people.person_name, 'Unknown') as customer_name,
        stores.store_name,
        people.person_name,
        first_emails.masked_email,
        first_phones.masked_phone,
        people.email_promotion,
        territories.territory_name,
        main_addresses.city,
        main_addresses.postal_code,
        main_addresses.state_name,
        main_addresses.country_name
    from customers
    left join people on customers.person_id = people.person_id
    left join stores on customers.store_id = stores.store_id
    left join territories on customers.territory_id = territories.territory_id
    left join first_emails on customers.person_id = first_emails.person_id
    left join first_phones on customers.person_id = first_phones.person_id
    left join main_addresses on coalesce(customers.store_id, customers.person_id) = main_addresses.business_entity_id

)

select * from joined
