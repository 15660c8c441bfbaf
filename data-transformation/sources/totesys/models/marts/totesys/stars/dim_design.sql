-- grain: one row per design, as it was last known, and the unknown one
with

versions as (

    select * from {{ ref('stg_totesys_designs') }}

),

last_known as (

    select
        design_id,
        design_name,
        file_location,
        file_name
    from versions
    where is_last_known

),

unknown as (

    select
        -1 as design_id,
        'Unknown' as design_name,
        cast(null as varchar) as file_location,
        cast(null as varchar) as file_name

)

select * from last_known
union all
select * from unknown
