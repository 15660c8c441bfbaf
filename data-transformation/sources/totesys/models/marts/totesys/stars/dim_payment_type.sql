-- grain: one row per kind of payment, as it was last known, and the unknown one
with

versions as (

    select * from {{ ref('stg_totesys_payment_types') }}

),

last_known as (

    select
        payment_type_id,
        payment_type_name
    from versions
    where is_last_known

),

unknown as (

    select
        -1 as payment_type_id,
        'Unknown' as payment_type_name

)

select * from last_known
union all
select * from unknown
