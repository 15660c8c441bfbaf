-- grain: one row per way to ship, and the unknown one
with

ship_methods as (

    select * from {{ ref('stg_ship_methods') }}

),

described as (

    select
        {{ surrogate_key(['ship_method_id']) }} as ship_method_key,
        ship_method_id,
        ship_method_name,
        ship_base,
        ship_rate
    from ship_methods

),

unknown_ship_method as (

    select
        {{ unknown_key() }} as ship_method_key,
        cast(null as integer) as ship_method_id,
        'Unknown' as ship_method_name,
        cast(null as decimal(18, 4)) as ship_base,
        cast(null as decimal(18, 4)) as ship_rate

)

select * from described
union all
select * from unknown_ship_method
