-- grain: one row per work order, brought up to date as work goes on (accumulating snapshot)
{{
    config(
        materialized='incremental',
        unique_key='work_order_id',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_work_orders'), ['work_order_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set compares_touched = is_update and only_touched() %}
{%- set is_touched = any_of([
    among_touched('work_order_id', 'work_orders'),
    among_touched('product_id', 'products')
]) %}

with

work_orders as (

    select * from {{ ref('stg_work_orders') }}
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

operations as (

    select * from {{ ref('int_work_order_operations') }}

),

products as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_product') }}

),

scrap_reasons as (

    select * from {{ ref('dim_scrap_reason') }}

),

{%- if is_update %}

-- what the last sync brought, and what has an unknown member, a product version or a cost that is no longer right
outdated_work_orders as (

    select work_orders.work_order_id
    from work_orders
    left join operations on work_orders.work_order_id = operations.work_order_id
    left join {{ this }} as built on work_orders.work_order_id = built.work_order_id
    left join products on built.product_key = products.product_key
    left join scrap_reasons on work_orders.scrap_reason_id = scrap_reasons.scrap_reason_id
    where
        greatest(work_orders.extracted_at, coalesce(operations.extracted_at, work_orders.extracted_at))
        is distinct from built.extracted_at
        or coalesce(operations.operation_count, 0) <> built.operation_count
        or built.product_key = {{ unknown_key() }}
        or not coalesce(
            work_orders.started_at >= products.applies_from and work_orders.started_at < products.valid_to, false
        )
        or built.scrap_cost
        is distinct from
        cast({{ product(['products.standard_cost', 'work_orders.scrapped_quantity']) }} as decimal(38, 4))
        or built.scrap_reason_key <> {{ key_or_unknown('scrap_reasons.scrap_reason_key') }}

),

{%- endif %}

work_orders_to_build as (

    select *
    from work_orders
    {%- if is_update %}
    where work_order_id in (select outdated_work_orders.work_order_id from outdated_work_orders)
    {%- endif %}

),

-- every work order with the product version of the day on which it began
described as (

    select
        work_orders.work_order_id,
        {{ key_or_unknown('products.product_key') }} as product_key,
        {{ key_or_unknown('scrap_reasons.scrap_reason_key') }} as scrap_reason_key,
        work_orders.started_at,
        work_orders.ended_at,
        work_orders.due_at,
        operations.planned_start_at,
        operations.planned_end_at,
        operations.actual_start_at,
        operations.actual_end_at,
        cast(coalesce(operations.operation_count, 0) as integer) as operation_count,
        cast(work_orders.ordered_quantity as integer) as ordered_quantity,
        cast(work_orders.scrapped_quantity as integer) as scrapped_quantity,
        cast(work_orders.stocked_quantity as bigint) as stocked_quantity,
        cast(operations.actual_hours as decimal(18, 4)) as actual_hours,
        cast(operations.planned_cost as decimal(38, 4)) as planned_cost,
        cast(operations.actual_cost as decimal(38, 4)) as actual_cost,
        cast({{ product(['products.standard_cost', 'work_orders.scrapped_quantity']) }} as decimal(38, 4))
            as scrap_cost,
        greatest(work_orders.extracted_at, coalesce(operations.extracted_at, work_orders.extracted_at))
            as extracted_at
    from work_orders_to_build as work_orders
    left join operations on work_orders.work_order_id = operations.work_order_id
    left join products
        on
            work_orders.product_id = products.product_id
            and work_orders.started_at >= products.applies_from
            and work_orders.started_at < products.valid_to
    left join scrap_reasons on work_orders.scrap_reason_id = scrap_reasons.scrap_reason_id

),

final as (

    select
        {{ surrogate_key(['work_order_id']) }} as work_order_key,
        work_order_id,
        product_key,
        scrap_reason_key,
        {{ date_key('started_at') }} as start_date_key,
        {{ date_key('ended_at') }} as end_date_key,
        {{ date_key('due_at') }} as due_date_key,
        started_at,
        ended_at,
        due_at,
        planned_start_at,
        planned_end_at,
        actual_start_at,
        actual_end_at,
        {{ days_between('started_at', 'ended_at') }} as days_to_make,
        {{ days_between('due_at', 'ended_at') }} as days_late,
        ended_at <= due_at as is_made_on_time,
        operation_count,
        ordered_quantity,
        scrapped_quantity,
        stocked_quantity,
        actual_hours,
        planned_cost,
        actual_cost,
        scrap_cost,
        extracted_at
    from described

)

select * from final
