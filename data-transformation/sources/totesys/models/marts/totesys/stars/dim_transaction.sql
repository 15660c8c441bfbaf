-- grain: one row per transaction, as it was last known, and the unknown one
with

versions as (

    select * from {{ ref('stg_totesys_transactions') }}

),

last_known as (

    select
        transaction_id,
        transaction_type,
        sales_order_id,
        purchase_order_id
    from versions
    where is_last_known

),

unknown as (

    select
        -1 as transaction_id,
        'Unknown' as transaction_type,
        cast(null as integer) as sales_order_id,
        cast(null as integer) as purchase_order_id

)

select * from last_known
union all
select * from unknown
