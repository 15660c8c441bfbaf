-- grain: one row per reason to buy, "No reason" for orders that name none, and the unknown reason
with

sales_reasons as (

    select * from {{ ref('stg_sales_reasons') }}

),

-- the source numbers its reasons from 1
reasons as (

    select
        sales_reason_id,
        sales_reason as sales_reason_name,
        sales_reason_type
    from sales_reasons

    union all

    select
        0 as sales_reason_id,
        'No reason' as sales_reason_name,
        'None' as sales_reason_type

),

described as (

    select
        {{ surrogate_key(['sales_reason_id']) }} as sales_reason_key,
        sales_reason_id,
        sales_reason_name,
        sales_reason_type
    from reasons

),

unknown_sales_reason as (

    select
        {{ unknown_key() }} as sales_reason_key,
        cast(null as integer) as sales_reason_id,
        'Unknown' as sales_reason_name,
        'Unknown' as sales_reason_type

)

select * from described
union all
select * from unknown_sales_reason
