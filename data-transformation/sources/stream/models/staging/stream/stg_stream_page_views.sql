-- grain: one row per page that somebody looked at
with

source as (

    select * from {{ raw_events('page_views', {
        'visitor': 'varchar', 'session_id': 'varchar', 'customerid': 'bigint', 'page_url': 'varchar',
        'referrer_url': 'varchar', 'device_type': 'varchar', 'duration': 'bigint', 'country': 'varchar',
        'order_value': 'varchar'
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
        session_id,
        cast(customerid as integer) as customer_id,

        -- text
        visitor as visitor_id,
        page_url,
        referrer_url,
        device_type,
        country as country_code,

        -- numerics
        cast(duration as integer) as seconds_on_page,
        cast(order_value as decimal(28, 6)) as order_value,

        -- timestamps
        cast(occurred_at as timestamp) as occurred_at,
        cast(appended_at as timestamp) as appended_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from events

)

select * from renamed
