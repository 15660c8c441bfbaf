-- grain: one row per reason to scrap, and the unknown reason (which stands for no scrap, too)
with

scrap_reasons as (

    select * from {{ ref('stg_scrap_reasons') }}

),

described as (

    select
        {{ surrogate_key(['scrap_reason_id']) }} as scrap_reason_key,
        scrap_reason_id,
        scrap_reason_name
    from scrap_reasons

),

unknown_scrap_reason as (

    select
        {{ unknown_key() }} as scrap_reason_key,
        cast(null as integer) as scrap_reason_id,
        'Unknown' as scrap_reason_name

)

select * from described
union all
select * from unknown_scrap_reason
