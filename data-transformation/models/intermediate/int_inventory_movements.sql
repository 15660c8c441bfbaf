-- grain: one row per movement of goods, recent or archived
with

recent_movements as (

    select * from {{ ref('stg_transactions') }}

),

archived_movements as (

    select * from {{ ref('stg_transactions_archive') }}

),

-- a movement that was archived since the last sync may be on both sides
movements as (

    select
        transaction_id,
        product_id,
        reference_order_id,
        reference_order_line_id,
        movement_type_code,
        quantity,
        actual_cost,
        moved_at,
        extracted_at
    from recent_movements

    union all

    select
        transaction_id,
        product_id,
        reference_order_id,
        reference_order_line_id,
        movement_type_code,
        quantity,
        actual_cost,
        moved_at,
        extracted_at
    from archived_movements
    where transaction_id not in (select recent.transaction_id from {{ ref('stg_transactions') }} as recent)

)

select * from movements
