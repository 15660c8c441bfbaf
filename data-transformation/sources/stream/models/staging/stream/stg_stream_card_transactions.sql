-- grain: one row per payment by card
with

source as (

    select * from {{ raw_events('card_transactions', {
        'creditcardid': 'bigint', 'amount': 'varchar', 'merchant_id': 'bigint', 'merchant_category': 'varchar',
        'country': 'varchar', 'card_country': 'varchar', 'channel': 'varchar'
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
        cast(creditcardid as integer) as credit_card_id,
        cast(merchant_id as integer) as merchant_id,

        -- text
        merchant_category,
        country as country_code,
        card_country as card_country_code,
        channel as channel_name,

        -- numerics
        cast(amount as decimal(18, 2)) as amount,

        -- timestamps
        cast(occurred_at as timestamp) as occurred_at,
        cast(appended_at as timestamp) as appended_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from events

)

select * from renamed
