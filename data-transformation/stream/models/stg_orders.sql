-- grain: order, as it was placed
with orders as (
    select * from {{ source('events', 'orders') }} final
),

renamed as (
    select
        -- ids
        salesorderid as order_id,
        customerid as customer_id,
        creditcardid as credit_card_id,
        -- text
        if(onlineorderflag, 'Online', 'Reseller') as channel_name,
        -- numerics
        status as placed_status,
        lines,
        -- timestamps
        occurred_at as placed_at,
        appended_at
    from orders
)

select * from renamed
