-- grain: one row per sales channel, and the unknown channel
with

channels as (

    select * from {{ ref('sales_channels') }}

),

described as (

    select
        {{ surrogate_key(['channel_code']) }} as channel_key,
        channel_code,
        channel_name,
        is_online_order
    from channels

),

unknown_channel as (

    select
        {{ unknown_key() }} as channel_key,
        cast(null as varchar) as channel_code,
        'Unknown' as channel_name,
        cast(null as boolean) as is_online_order

)

select * from described
union all
select * from unknown_channel
