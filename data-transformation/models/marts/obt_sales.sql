-- grain: one row per sales order line, with everything that describes it in words
{{
    config(
        materialized='incremental',
        unique_key=['order_id', 'order_line_id'],
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('fct_sales'), ['order_id', 'order_line_id']) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set is_touched = among_touched('order_id', 'orders') %}
{%- set is_touched_product = among_touched('products.product_id', 'products', 'product_id') %}

{#- members whose words may change while their key stays: model, keys, and what a column is called there and here -#}
{%- set members = [
    ('products', 'dim_product', 'product_key', 'product_key', {
        'product_name': 'product_name', 'product_model': 'product_model',
        'product_subcategory': 'product_subcategory', 'product_category': 'product_category'
    }),
    ('promotions', 'dim_promotion', 'promotion_key', 'promotion_key', {
        'promotion_name': 'promotion_name', 'promotion_type': 'promotion_type'
    }),
    ('salespeople', 'dim_salesperson', 'salesperson_key', 'salesperson_key', {'salesperson_name': 'salesperson_name'}),
    ('territories', 'dim_sales_territory', 'territory_key', 'territory_key', {
        'territory_name': 'territory_name', 'territory_group': 'territory_group',
        'territory_country': 'territory_country'
    }),
    ('places', 'dim_geography', 'geography_key', 'ship_to_geography_key', {
        'country_name': 'ship_to_country', 'state_name': 'ship_to_state'
    }),
    ('statuses', 'dim_order_status', 'order_status_key', 'order_status_key', {
        'order_status_name': 'order_status_name', 'counts_as_revenue': 'counts_as_revenue'
    }),
    ('channels', 'dim_channel', 'channel_key', 'channel_key', {'channel_name': 'channel_name'})
] %}

with

sales as (

    select * from {{ ref('fct_sales') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

promotions as (

    select * from {{ ref('dim_promotion') }}

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

places as (

    select * from {{ ref('dim_geography') }}

),

statuses as (

    select * from {{ ref('dim_order_status') }}

),

channels as (

    select * from {{ ref('dim_channel') }}

),

credit_card_types as (

    select * from {{ ref('dim_credit_card_type') }}

),

{%- if is_update %}

outdated_lines as (

    {{ sales_lines_to_build(ref('fct_sales'), members, is_touched, is_touched_product) }}

),

{%- endif %}

lines_to_build as (

    select *
    from sales
    {%- if is_update %}
    where order_line_id in (select outdated_lines.order_line_id from outdated_lines)
    {%- endif %}

),

-- inner joins: every key of the fact has its row, the unknown member included
joined as (

    select
        -- order
        sales.sales_key,
        sales.order_id,
        sales.order_line_id,
        sales.order_number,
        channels.channel_name,
        statuses.order_status_name,
        statuses.counts_as_revenue,
        credit_card_types.credit_card_type,

        -- dates
        order_dates.date_day as order_date,
        due_dates.date_day as due_date,
        ship_dates.date_day as ship_date,
        order_dates.calendar_year as order_year,
        order_dates.fiscal_year as order_fiscal_year,

        -- product
        products.product_id,
        products.product_name,
        products.product_model,
        products.product_subcategory,
        products.product_category,
        promotions.promotion_name,
        promotions.promotion_type,

        -- customer
        customers.customer_id,
        customers.customer_name,
        customers.customer_type,

        -- seller
        salespeople.salesperson_name,
        territories.territory_name,
        territories.territory_group,
        territories.territory_country,

        -- destination
        ship_to.country_name as ship_to_country,
        ship_to.state_name as ship_to_state,
        ship_to.city as ship_to_city,
        ship_to.postal_code as ship_to_postal_code,

        -- measures
        sales.order_quantity,
        sales.unit_price,
        sales.gross_amount,
        sales.discount_amount,
        sales.line_total,
        sales.standard_cost,
        sales.margin,
        sales.is_cost_estimated,
        sales.tax_amount,
        sales.freight_amount,
        sales.sales_hash
    from lines_to_build as sales
    inner join dates as order_dates on sales.order_date_key = order_dates.date_key
    inner join dates as due_dates on sales.due_date_key = due_dates.date_key
    inner join dates as ship_dates on sales.ship_date_key = ship_dates.date_key
    inner join products on sales.product_key = products.product_key
    inner join promotions on sales.promotion_key = promotions.promotion_key
    inner join customers on sales.customer_key = customers.customer_key
    inner join salespeople on sales.salesperson_key = salespeople.salesperson_key
    inner join territories on sales.territory_key = territories.territory_key
    inner join places as ship_to on sales.ship_to_geography_key = ship_to.geography_key
    inner join statuses on sales.order_status_key = statuses.order_status_key
    inner join channels on sales.channel_key = channels.channel_key
    inner join credit_card_types on sales.credit_card_type_key = credit_card_types.credit_card_type_key

)

select * from joined
