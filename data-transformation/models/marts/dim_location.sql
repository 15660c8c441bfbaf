-- grain: one row per place where goods are made or kept, and the unknown place
with

locations as (

    select * from {{ ref('stg_locations') }}

),

described as (

    select
        {{ surrogate_key(['location_id']) }} as location_key,
        location_id,
        location_name,
        hourly_cost_rate,
        available_hours,
        hourly_cost_rate > 0 as is_work_center
    from locations

),

unknown_location as (

    select
        {{ unknown_key() }} as location_key,
        cast(null as integer) as location_id,
        'Unknown' as location_name,
        cast(null as decimal(18, 4)) as hourly_cost_rate,
        cast(null as decimal(8, 2)) as available_hours,
        cast(null as boolean) as is_work_center

)

select * from described
union all
select * from unknown_location
