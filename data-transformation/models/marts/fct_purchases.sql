-- grain: one row per purchase order line, brought up to date as goods arrive (accumulating snapshot)
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='purchase_order_id',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_purchase_order_details'), ['purchase_order_id', 'purchase_order_line_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set compares_touched = is_update and only_touched() %}
{%- set is_touched = among_touched('purchase_order_id', 'purchase_orders') %}

{%- set what_changes = [
    'extracted_at', 'product_key', 'vendor_key', 'buyer_key', 'ship_method_key', 'order_date_key',
    'purchase_order_status_name', 'counts_as_spend'
] %}

with

lines as (

    select * from {{ ref('stg_purchase_order_details') }}
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

headers as (

    select * from {{ ref('stg_purchase_order_headers') }}

),

statuses as (

    select * from {{ ref('purchase_order_statuses') }}

),

products as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_product') }}

),

buyers as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_employee') }}

),

vendors as (

    select * from {{ ref('dim_vendor') }}

),

ship_methods as (

    select * from {{ ref('dim_ship_method') }}

),

-- every line with its order and the versions of the order's day
described_lines as (

    select
        lines.purchase_order_id,
        lines.purchase_order_line_id,
        {{ key_or_unknown('products.product_key') }} as product_key,
        {{ key_or_unknown('vendors.vendor_key') }} as vendor_key,
        {{ key_or_unknown('buyers.employee_key') }} as buyer_key,
        {{ key_or_unknown('ship_methods.ship_method_key') }} as ship_method_key,
        {{ date_key('headers.ordered_at') }} as order_date_key,
        {{ date_key('lines.due_at') }} as due_date_key,
        {{ date_key('headers.shipped_at') }} as ship_date_key,
        coalesce(statuses.purchase_order_status_name, 'Unknown') as purchase_order_status_name,
        -- an order counts until it is known to be rejected
        coalesce(statuses.counts_as_spend, true) as counts_as_spend,
        headers.ordered_at,
        lines.due_at,
        headers.shipped_at,
        {{ days_between('headers.ordered_at', 'headers.shipped_at') }} as days_to_ship,
        {{ days_between('headers.ordered_at', 'lines.due_at') }} as days_to_due,
        headers.shipped_at <= lines.due_at as is_shipped_on_time,
        cast(lines.ordered_quantity as integer) as ordered_quantity,
        lines.received_quantity,
        lines.rejected_quantity,
        lines.stocked_quantity,
        lines.unit_price,
        lines.line_total,
        headers.tax_amount as order_tax_amount,
        headers.freight_amount as order_freight_amount,
        greatest(lines.extracted_at, coalesce(headers.extracted_at, lines.extracted_at)) as extracted_at
    from lines
    left join headers on lines.purchase_order_id = headers.purchase_order_id
    left join statuses on headers.purchase_order_status_id = statuses.purchase_order_status_id
    left join products
        on
            lines.product_id = products.product_id
            and headers.ordered_at >= products.applies_from
            and headers.ordered_at < products.valid_to
    left join buyers
        on
            headers.buyer_id = buyers.employee_id
            and headers.ordered_at >= buyers.applies_from
            and headers.ordered_at < buyers.valid_to
    left join vendors on headers.vendor_id = vendors.vendor_id
    left join ship_methods on headers.ship_method_id = ship_methods.ship_method_id

),

{%- if is_update %}

built_lines as (

    select * from {{ this }}
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

-- orders with a line that has come, changed or gone, or has a member or a version that is no longer right for it
outdated_orders as (

    select coalesce(described_lines.purchase_order_id, built.purchase_order_id) as purchase_order_id
    from described_lines
    full outer join built_lines as built
        on
            described_lines.purchase_order_id = built.purchase_order_id
            and described_lines.purchase_order_line_id = built.purchase_order_line_id
    where
        described_lines.purchase_order_id is null
        or built.purchase_order_id is null
        or {{ any_differs('described_lines', 'built', what_changes) }}
    group by coalesce(described_lines.purchase_order_id, built.purchase_order_id)

),

{%- endif %}

-- an order is built whole: its tax and freight are shared out among all its lines
lines_to_build as (

    select * from described_lines
    {%- if is_update %}
    where purchase_order_id in (select outdated_orders.purchase_order_id from outdated_orders)
    {%- endif %}

),

-- a line that was returned or can't be priced weighs what it moved, or nothing
weights as (

    select
        purchase_order_id,
        purchase_order_line_id,
        coalesce(abs(line_total), 0) as weight,
        coalesce(order_tax_amount, 0) as order_tax_amount,
        coalesce(order_freight_amount, 0) as order_freight_amount
    from lines_to_build

),

allocated as (

    {{ allocated_to_lines('purchase_order_id', 'purchase_order_line_id') }}

),

final as (

    select
        {{ surrogate_key(['described.purchase_order_id', 'described.purchase_order_line_id']) }} as purchase_key,
        described.purchase_order_id,
        described.purchase_order_line_id,
        described.product_key,
        described.vendor_key,
        described.buyer_key,
        described.ship_method_key,
        described.order_date_key,
        described.due_date_key,
        described.ship_date_key,
        described.purchase_order_status_name,
        described.counts_as_spend,
        described.ordered_at,
        described.due_at,
        described.shipped_at,
        described.days_to_ship,
        described.days_to_due,
        described.is_shipped_on_time,
        described.ordered_quantity,
        described.received_quantity,
        described.rejected_quantity,
        described.stocked_quantity,
        described.unit_price,
        described.line_total,
        cast(allocated.tax_amount as decimal(18, 4)) as tax_amount,
        cast(allocated.freight_amount as decimal(18, 4)) as freight_amount,
        described.extracted_at
    from lines_to_build as described
    inner join allocated
        on
            described.purchase_order_id = allocated.purchase_order_id
            and described.purchase_order_line_id = allocated.purchase_order_line_id

)

select * from final
