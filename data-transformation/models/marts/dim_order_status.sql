-- grain: one row per order status, and the unknown status
with

statuses as (

    select * from {{ ref('order_statuses') }}

),

described as (

    select
        {{ surrogate_key(['order_status_id']) }} as order_status_key,
        order_status_id,
        order_status_name,
        is_open,
        counts_as_revenue
    from statuses

),

-- an order counts until it is known to be rejected or cancelled
unknown_status as (

    select
        {{ unknown_key() }} as order_status_key,
        cast(null as integer) as order_status_id,
        'Unknown' as order_status_name,
        cast(null as boolean) as is_open,
        true as counts_as_revenue

)

select * from described
union all
select * from unknown_status
