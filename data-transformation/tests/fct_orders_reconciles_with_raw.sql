-- Orders and the exact sums of their headers' amounts equal the raw layer's.
with

raw_orders as (

    select
        count(*) as order_count,
        coalesce(sum({{ amount('subtotal') }}), 0) as subtotal,
        coalesce(sum({{ amount('taxamt') }}), 0) as tax_amount,
        coalesce(sum({{ amount('freight') }}), 0) as freight_amount,
        coalesce(sum({{ amount('totaldue') }}), 0) as total_due
    from {{ source('adventureworks_sales', 'salesorderheader') }}
    where {{ not_deleted(source('adventureworks_sales', 'salesorderheader')) }}

),

orders as (

    select
        count(*) as order_count,
        coalesce(sum(subtotal), 0) as subtotal,
        coalesce(sum(tax_amount), 0) as tax_amount,
        coalesce(sum(freight_amount), 0) as freight_amount,
        coalesce(sum(total_due), 0) as total_due
    from {{ ref('fct_orders') }}

)

select orders.*
from raw_orders
cross join orders
where
    {{ any_differs('raw_orders', 'orders', [
        'order_count', 'subtotal', 'tax_amount', 'freight_amount', 'total_due'
    ]) }}
