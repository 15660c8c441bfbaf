-- grain: one row per change of an order's header
with

source as (

    select * from {{ raw_events('order_status', {
        'salesorderid': 'bigint', 'revisionnumber': 'bigint', 'status': 'bigint', 'customerid': 'bigint',
        'shipdate': 'timestamp', 'subtotal': 'varchar', 'taxamt': 'varchar', 'freight': 'varchar',
        'totaldue': 'varchar', 'modifieddate': 'timestamp'
    }) }}

),

-- what is no event has only its place, and the reason; an Airbyte that was killed may append a message twice
events as (

    select * from source
    where left_out is null
    qualify
        row_number() over (
            partition by topic, {{ reserved_column('partition') }}, {{ reserved_column('offset') }}
            order by _airbyte_extracted_at
        ) = 1

),

renamed as (

    select
        -- ids
        topic as topic_name,
        {{ reserved_column('partition') }} as partition_number,
        {{ reserved_column('offset') }} as message_offset,
        event_id,
        cast(salesorderid as integer) as order_id,
        cast(customerid as integer) as customer_id,

        -- numerics
        cast(revisionnumber as integer) as revision_number,
        cast(status as integer) as order_status_id,
        cast(subtotal as decimal(28, 6)) as subtotal,
        cast(taxamt as decimal(28, 6)) as tax_amount,
        cast(freight as decimal(28, 6)) as freight_amount,
        cast(totaldue as decimal(28, 6)) as total_due,

        -- timestamps of the shop's calendar
        shipdate as shipped_at,
        modifieddate as modified_at,

        -- timestamps
        cast(occurred_at as timestamp) as occurred_at,
        cast(appended_at as timestamp) as appended_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from events

)

select * from renamed
