-- Payments and their amount equal the raw layer's, each message that is an event counted once.
with

raw_messages as (

    select
        {{ reserved_column('partition') }} as partition_number,
        {{ reserved_column('offset') }} as message_offset,
        min(cast(amount as decimal(18, 2))) as amount
    from {{ raw_events('card_transactions', {'amount': 'varchar'}) }}
    where left_out is null
    group by {{ reserved_column('partition') }}, {{ reserved_column('offset') }}

),

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum(amount), 0) as amount
    from raw_messages

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(amount), 0) as amount
    from {{ ref('fct_card_transactions') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'amount']) }}
