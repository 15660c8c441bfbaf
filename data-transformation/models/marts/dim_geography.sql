-- grain: one row per city, state and postal code that an address has, and the unknown place
with

addresses as (

    select * from {{ ref('int_addresses') }}

),

places as (

    select distinct
        city,
        postal_code,
        state_province_id,
        state_code,
        state_name,
        country_code,
        country_name
    from addresses

),

keyed as (

    select
        {{ geography_key('places') }} as geography_key,
        places.city,
        places.postal_code,
        places.state_code,
        places.state_name,
        places.country_code,
        places.country_name
    from places

),

unknown_place as (

    select
        {{ unknown_key() }} as geography_key,
        'Unknown' as city,
        'Unknown' as postal_code,
        'Unknown' as state_code,
        'Unknown' as state_name,
        'Unknown' as country_code,
        'Unknown' as country_name

)

select * from keyed
union all
select * from unknown_place
