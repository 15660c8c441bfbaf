-- grain: one row per sales order, brought up to date as the order moves on (accumulating snapshot)
{{
    config(
        materialized='incremental',
        unique_key='order_id',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_sales_order_headers'), ['order_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set compares_touched = is_update and only_touched() %}
{%- set is_touched = among_touched('order_id', 'orders') %}

with

headers as (

    select * from {{ ref('stg_sales_order_headers') }}
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

lines as (

    select * from {{ ref('stg_sales_order_details') }}
    {%- if compares_touched %}
    where order_id in (select headers.order_id from headers)
    {%- endif %}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

salespeople as (

    select * from {{ ref('dim_salesperson') }}

),

territories as (

    select * from {{ ref('dim_sales_territory') }}

),

addresses as (

    select * from {{ ref('int_addresses') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

channels as (

    select * from {{ ref('dim_channel') }}

),

credit_cards as (

    select * from {{ ref('stg_credit_cards') }}

),

credit_card_types as (

    select * from {{ ref('dim_credit_card_type') }}

),

ship_methods as (

    select * from {{ ref('dim_ship_method') }}

),

currency_rates as (

    select * from {{ ref('stg_currency_rates') }}

),

currencies as (

    select * from {{ ref('dim_currency') }}

),

line_summary as (

    select
        order_id,
        count(*) as line_count,
        sum(order_quantity) as order_quantity,
        sum(discount_amount) as discount_amount,
        sum(line_total) as line_total,
        max(extracted_at) as extracted_at
    from lines
    group by order_id

),

-- every order with the dimension rows that are right for it now
orders as (

    select
        {{ surrogate_key(['headers.order_id']) }} as order_key,
        headers.order_id,
        headers.order_number,
        headers.purchase_order_number,
        headers.account_number,
        {{ key_or_unknown('customers.customer_key') }} as customer_key,
        {{ key_or_unknown('salespeople.salesperson_key') }} as salesperson_key,
        {{ key_or_unknown('territories.territory_key') }} as territory_key,
        case when bill_to.address_id is null then {{ unknown_key() }} else {{ geography_key('bill_to') }} end
            as bill_to_geography_key,
        case when ship_to.address_id is null then {{ unknown_key() }} else {{ geography_key('ship_to') }} end
            as ship_to_geography_key,
        {{ key_or_unknown('statuses.order_status_key') }} as order_status_key,
        {{ key_or_unknown('channels.channel_key') }} as channel_key,
        {{ key_or_unknown('credit_card_types.credit_card_type_key') }} as credit_card_type_key,
        {{ key_or_unknown('ship_methods.ship_method_key') }} as ship_method_key,
        {{ key_or_unknown('currencies.currency_key') }} as currency_key,
        {{ date_key('headers.ordered_at') }} as order_date_key,
        {{ date_key('headers.due_at') }} as due_date_key,
        {{ date_key('headers.shipped_at') }} as ship_date_key,
        headers.ordered_at,
        headers.due_at,
        headers.shipped_at,
        {{ days_between('headers.ordered_at', 'headers.shipped_at') }} as days_to_ship,
        {{ days_between('headers.ordered_at', 'headers.due_at') }} as days_to_due,
        headers.shipped_at <= headers.due_at as is_shipped_on_time,
        cast(headers.revision_number as integer) as revision_number,
        cast(coalesce(line_summary.line_count, 0) as integer) as line_count,
        cast(coalesce(line_summary.order_quantity, 0) as bigint) as order_quantity,
        cast(coalesce(line_summary.discount_amount, 0) as decimal(38, 8)) as discount_amount,
        cast(coalesce(line_summary.line_total, 0) as decimal(38, 8)) as line_total,
        headers.subtotal,
        headers.tax_amount,
        headers.freight_amount,
        headers.total_due,
        greatest(headers.extracted_at, coalesce(line_summary.extracted_at, headers.extracted_at)) as extracted_at
    from headers
    left join line_summary on headers.order_id = line_summary.order_id
    left join customers
        on
            headers.customer_id = customers.customer_id
            and headers.ordered_at >= customers.valid_from
            and headers.ordered_at < customers.valid_to
    left join salespeople on headers.salesperson_id = salespeople.salesperson_id
    left join territories on headers.territory_id = territories.territory_id
    left join addresses as bill_to on headers.bill_to_address_id = bill_to.address_id
    left join addresses as ship_to on headers.ship_to_address_id = ship_to.address_id
    left join statuses on headers.order_status_id = statuses.order_status_id
    left join channels on headers.is_online_order = channels.is_online_order
    left join credit_cards on headers.credit_card_id = credit_cards.credit_card_id
    left join credit_card_types on credit_cards.card_type = credit_card_types.credit_card_type
    left join ship_methods on headers.ship_method_id = ship_methods.ship_method_id
    left join currency_rates on headers.currency_rate_id = currency_rates.currency_rate_id
    left join currencies on currency_rates.to_currency_code = currencies.currency_code

),

{%- set what_changes = [
    'extracted_at', 'line_count', 'line_total', 'customer_key', 'salesperson_key', 'territory_key',
    'bill_to_geography_key', 'ship_to_geography_key', 'order_status_key', 'channel_key', 'credit_card_type_key',
    'ship_method_key', 'currency_key'
] %}

{%- if is_update %}

-- what the last sync brought, and what has the unknown member or a dimension version that is no longer right for it
orders_to_build as (

    select orders.*
    from orders
    left join {{ this }} as built on orders.order_id = built.order_id
    where
        built.order_id is null
        or {{ any_differs('orders', 'built', what_changes) }}

),

{%- endif %}

-- what readers of this table compare, to see which orders they hold are no longer these
hashed as (

    select
        *,
        {{ surrogate_key([timestamp_text('extracted_at')] + what_changes[1:]) }} as order_hash
    from {{ 'orders_to_build' if is_update else 'orders' }}

)

select * from hashed
