-- grain: one row per address, as it was last known, and the unknown one
with

versions as (

    select * from {{ ref('stg_totesys_addresses') }}

),

last_known as (

    select
        address_id as location_id,
        address_line_1,
        address_line_2,
        district,
        city,
        postal_code,
        country,
        phone
    from versions
    where is_last_known

),

unknown as (

    select
        -1 as location_id,
        cast(null as varchar) as address_line_1,
        cast(null as varchar) as address_line_2,
        cast(null as varchar) as district,
        cast(null as varchar) as city,
        cast(null as varchar) as postal_code,
        'Unknown' as country,
        cast(null as varchar) as phone

)

select * from last_known
union all
select * from unknown
