-- grain: one row per sales order line
{{
    config(
        materialized='incremental',
        unique_key=['order_id', 'order_line_id'],
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_sales_order_details'), ['order_id', 'order_line_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set is_touched = among_touched('order_id', 'orders') %}
{%- set is_touched_product = among_touched('products.product_id', 'products', 'product_id') %}

with

orders as (

    select * from {{ ref('fct_orders') }}

),

products as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_product') }}

),

promotions as (

    select * from {{ ref('dim_promotion') }}

),

{%- if is_update %}

orders_to_build as (

    {{ sales_orders_to_build(ref('fct_orders'), ref('stg_sales_order_details'), is_touched, is_touched_product) }}

),

{%- endif %}

-- an order is built whole: its tax and freight are shared out among all its lines
lines as (

    select *
    from {{ ref('stg_sales_order_details') }}
    {%- if is_update %}
    where order_id in (select orders_to_build.order_id from orders_to_build)
    {%- endif %}

),

-- a line that was returned or can't be priced weighs what it moved, or nothing
weights as (

    select
        lines.order_id,
        lines.order_line_id,
        coalesce(abs(lines.line_total), 0) as weight,
        coalesce(orders.tax_amount, 0) as order_tax_amount,
        coalesce(orders.freight_amount, 0) as order_freight_amount
    from lines
    left join orders on lines.order_id = orders.order_id

),

allocated as (

    {{ allocated_to_lines('order_id', 'order_line_id') }}

),

-- every line with its order and the product version of its day; the first version serves earlier days, too, as the last
-- one (open in the dimension) serves days after the source ended it
described_lines as (

    select
        lines.order_id,
        lines.order_line_id,
        lines.order_number,
        lines.carrier_tracking_number,
        {{ key_or_unknown('products.product_key') }} as product_key,
        {{ key_or_unknown('promotions.promotion_key') }} as promotion_key,
        {{ key_or_unknown('orders.customer_key') }} as customer_key,
        {{ key_or_unknown('orders.salesperson_key') }} as salesperson_key,
        {{ key_or_unknown('orders.territory_key') }} as territory_key,
        {{ key_or_unknown('orders.bill_to_geography_key') }} as bill_to_geography_key,
        {{ key_or_unknown('orders.ship_to_geography_key') }} as ship_to_geography_key,
        {{ key_or_unknown('orders.order_status_key') }} as order_status_key,
        {{ key_or_unknown('orders.channel_key') }} as channel_key,
        {{ key_or_unknown('orders.credit_card_type_key') }} as credit_card_type_key,
        {{ key_or_unknown('orders.ship_method_key') }} as ship_method_key,
        {{ key_or_unknown('orders.currency_key') }} as currency_key,
        coalesce(orders.order_date_key, -1) as order_date_key,
        coalesce(orders.due_date_key, -1) as due_date_key,
        coalesce(orders.ship_date_key, -1) as ship_date_key,
        cast(lines.order_quantity as integer) as order_quantity,
        lines.unit_price,
        lines.unit_price_discount,
        lines.gross_amount,
        lines.discount_amount,
        lines.line_total,
        cast({{ product(['products.standard_cost', 'lines.order_quantity']) }} as decimal(38, 4)) as standard_cost,
        {{ is_cost_estimated() }} as is_cost_estimated,
        orders.order_hash,
        allocated.tax_amount,
        allocated.freight_amount,
        greatest(lines.extracted_at, coalesce(orders.extracted_at, lines.extracted_at)) as extracted_at
    from lines
    inner join allocated on lines.order_id = allocated.order_id and lines.order_line_id = allocated.order_line_id
    left join orders on lines.order_id = orders.order_id
    left join products
        on
            lines.product_id = products.product_id
            and orders.ordered_at >= products.applies_from
            and orders.ordered_at < products.valid_to
    left join promotions on lines.special_offer_id = promotions.special_offer_id

),

final as (

    select
        {{ surrogate_key(['order_id', 'order_line_id']) }} as sales_key,
        order_id,
        order_line_id,
        order_number,
        carrier_tracking_number,
        product_key,
        promotion_key,
        customer_key,
        salesperson_key,
        territory_key,
        bill_to_geography_key,
        ship_to_geography_key,
        order_status_key,
        channel_key,
        credit_card_type_key,
        ship_method_key,
        currency_key,
        order_date_key,
        due_date_key,
        ship_date_key,
        order_quantity,
        unit_price,
        unit_price_discount,
        gross_amount,
        discount_amount,
        line_total,
        standard_cost,
        cast(line_total - standard_cost as decimal(38, 8)) as margin,
        is_cost_estimated,
        cast(tax_amount as decimal(18, 4)) as tax_amount,
        cast(freight_amount as decimal(18, 4)) as freight_amount,
        order_hash,
        extracted_at
    from described_lines

),

-- what readers of this table compare, to see which lines they hold are no longer these
hashed as (

    select
        *,
        {{ surrogate_key([
            'order_hash', timestamp_text('extracted_at'), 'product_key', 'promotion_key', 'standard_cost', 'is_cost_estimated',
            'tax_amount', 'freight_amount'
        ]) }} as sales_hash
    from final

)

select * from hashed
