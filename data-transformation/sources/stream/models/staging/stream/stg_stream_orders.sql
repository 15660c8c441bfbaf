-- grain: one row per order that was placed
with

source as (

    select * from {{ raw_events('orders', {
        'salesorderid': 'bigint', 'revisionnumber': 'bigint', 'status': 'bigint', 'orderdate': 'timestamp',
        'duedate': 'timestamp', 'shipdate': 'timestamp', 'onlineorderflag': 'boolean', 'customerid': 'bigint',
        'salespersonid': 'bigint', 'territoryid': 'bigint', 'shiptoaddressid': 'bigint', 'shipmethodid': 'bigint',
        'creditcardid': 'bigint', 'currencyrateid': 'bigint', 'subtotal': 'varchar', 'taxamt': 'varchar',
        'freight': 'varchar', 'totaldue': 'varchar', 'modifieddate': 'timestamp', 'lines': json_type()
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
        cast(salespersonid as integer) as salesperson_id,
        cast(territoryid as integer) as territory_id,
        cast(shiptoaddressid as integer) as ship_to_address_id,
        cast(shipmethodid as integer) as ship_method_id,
        cast(creditcardid as integer) as credit_card_id,
        cast(currencyrateid as integer) as currency_rate_id,

        -- numerics
        cast(revisionnumber as integer) as revision_number,
        cast(status as integer) as order_status_id,
        cast(subtotal as decimal(28, 6)) as subtotal,
        cast(taxamt as decimal(28, 6)) as tax_amount,
        cast(freight as decimal(28, 6)) as freight_amount,
        cast(totaldue as decimal(28, 6)) as total_due,

        -- booleans
        onlineorderflag as is_online_order,

        -- the order's lines, as JSON
        lines as order_lines,

        -- timestamps of the shop's calendar
        orderdate as ordered_at,
        duedate as due_at,
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
