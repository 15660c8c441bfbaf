-- grain: one row per stream of the second company and kind of oddity among the rows that it has now
{%- set oddities = [
    ('sales_orders', 'sales_order_id', 'Agreed delivery is no day', 'agreed_delivery_date is null'),
    ('sales_orders', 'sales_order_id', 'Agreed payment is no day', 'agreed_payment_date is null'),
    ('sales_orders', 'sales_order_id', 'Changed before it was made', 'last_updated < created_at'),
    ('sales_orders', 'sales_order_id', 'Price is no number or too large', 'unit_price is null'),
    ('purchase_orders', 'purchase_order_id', 'Agreed delivery is no day', 'agreed_delivery_date is null'),
    ('purchase_orders', 'purchase_order_id', 'Agreed payment is no day', 'agreed_payment_date is null'),
    ('purchase_orders', 'purchase_order_id', 'Changed before it was made', 'last_updated < created_at'),
    ('purchase_orders', 'purchase_order_id', 'Price is no number or too large', 'item_unit_price is null'),
    ('payments', 'payment_id', 'Payment is on no day', 'payment_date is null'),
    ('payments', 'payment_id', 'Changed before it was made', 'last_updated < created_at'),
    ('payments', 'payment_id', 'Amount is no number or too large', 'payment_amount is null'),
    ('counterparties', 'counterparty_id', 'Nobody for deliveries', 'not has_delivery_contact'),
    ('counterparties', 'counterparty_id', 'Nobody to trade with', 'not has_commercial_contact')
] %}
{%- set strays = [
    ('sales_orders', 'fact_sales_order_current', 'sales_order_id'),
    ('purchase_orders', 'fact_purchase_order_current', 'purchase_order_id')
] %}
with

odd_rows as (
    {%- for stream, key, kind, condition in oddities %}
    select
        '{{ stream }}' as stream_name,
        '{{ kind }}' as kind,
        {{ key }} as row_id
    from {{ ref('stg_totesys_' ~ stream) }}
    where is_current and {{ condition }}
    union all
    {%- endfor %}
    {%- for stream, fact, key in strays %}
    select
        '{{ stream }}' as stream_name,
        'Delivered to an address that is not known' as kind,
        {{ key }} as row_id
    from {{ ref(fact) }}
    where agreed_delivery_location_id = -1
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}

),

final as (

    select
        {{ surrogate_key(['stream_name', 'kind']) }} as oddity_key,
        stream_name,
        kind,
        cast(count(*) as integer) as row_count,
        min(row_id) as first_row_id,
        max(row_id) as last_row_id
    from odd_rows
    group by stream_name, kind

)

select * from final
