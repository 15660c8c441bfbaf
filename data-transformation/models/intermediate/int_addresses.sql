-- grain: one row per postal address, with the names of its state and country
with

addresses as (

    select * from {{ ref('stg_addresses') }}

),

states as (

    select * from {{ ref('stg_state_provinces') }}

),

countries as (

    select * from {{ ref('stg_country_regions') }}

),

named as (

    select
        addresses.address_id,
        addresses.city,
        addresses.postal_code,
        addresses.state_province_id,
        coalesce(states.state_code, 'Unknown') as state_code,
        coalesce(states.state_name, 'Unknown') as state_name,
        coalesce(states.country_code, 'Unknown') as country_code,
        coalesce(countries.country_name, 'Unknown') as country_name
    from addresses
    left join states on addresses.state_province_id = states.state_province_id
    left join countries on states.country_code = countries.country_code

)

select * from named
