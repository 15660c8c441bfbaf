-- grain: one row per movement of goods, as the source recorded it
{{
    config(
        materialized='incremental',
        unique_key='transaction_id',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('int_inventory_movements'), ['transaction_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set compares_touched = is_update and only_touched() %}
{%- set is_touched = any_of([
    among_touched('transaction_id', 'movements'),
    among_touched('product_id', 'products')
]) %}

with

movements as (

    select * from {{ ref('int_inventory_movements') }}
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

movement_types as (

    select * from {{ ref('movement_types') }}

),

products as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_product') }}

),

{%- if is_update %}

-- what the last sync brought, and what has the unknown member or a product version that is no longer right for it
outdated_movements as (

    select movements.transaction_id
    from movements
    left join {{ this }} as built on movements.transaction_id = built.transaction_id
    left join products on built.product_key = products.product_key
    where
        movements.extracted_at is distinct from built.extracted_at
        or built.product_key = {{ unknown_key() }}
        or not coalesce(movements.moved_at >= products.applies_from and movements.moved_at < products.valid_to, false)

),

{%- endif %}

movements_to_build as (

    select *
    from movements
    {%- if is_update %}
    where transaction_id in (select outdated_movements.transaction_id from outdated_movements)
    {%- endif %}

),

-- every movement with the product version of its day
described as (

    select
        movements.transaction_id,
        {{ key_or_unknown('products.product_key') }} as product_key,
        coalesce(movement_types.movement_type_name, 'Unknown') as movement_type_name,
        movements.reference_order_id,
        movements.reference_order_line_id,
        movements.moved_at,
        cast(movements.quantity as integer) as quantity,
        movements.actual_cost,
        movements.extracted_at
    from movements_to_build as movements
    left join movement_types on movements.movement_type_code = movement_types.movement_type_code
    left join products
        on
            movements.product_id = products.product_id
            and movements.moved_at >= products.applies_from
            and movements.moved_at < products.valid_to

),

final as (

    select
        {{ surrogate_key(['transaction_id']) }} as movement_key,
        transaction_id,
        product_key,
        {{ date_key('moved_at') }} as movement_date_key,
        movement_type_name,
        reference_order_id,
        reference_order_line_id,
        quantity,
        actual_cost,
        extracted_at
    from described

)

select * from final
