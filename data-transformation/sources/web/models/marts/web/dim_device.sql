-- grain: one row per kind of device, browser and operating system that visited the site, and the unknown device
with

events as (

    select * from {{ ref('stg_web_events') }}

),

devices as (

    select distinct
        {{ surrogate_key(['device_type', 'browser', 'operating_system']) }} as device_key,
        device_type,
        browser,
        operating_system
    from events

),

unknown_device as (

    select
        {{ unknown_key() }} as device_key,
        'unknown' as device_type,
        'Unknown' as browser,
        'Unknown' as operating_system

)

select * from devices
union all
select * from unknown_device
