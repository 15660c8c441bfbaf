-- grain: change of an order's header
with changes as (
    select * from {{ source('events', 'order_status') }} final
),

renamed as (
    select
        -- ids
        event_id,
        salesorderid as order_id,
        -- numerics
        status as order_status,
        -- timestamps
        occurred_at as changed_at,
        -- changes of an order are in one partition, in their order
        "partition" as kafka_partition,
        offset as kafka_offset
    from changes
)

select * from renamed
