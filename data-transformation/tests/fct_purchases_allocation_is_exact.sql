-- The lines of a purchase order carry its tax and freight to the last digit, and add up to its subtotal.
with

purchases as (

    select
        purchase_order_id,
        sum(line_total) as subtotal,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount
    from {{ ref('fct_purchases') }}
    group by purchase_order_id

),

headers as (

    select * from {{ ref('stg_purchase_order_headers') }}

)

select purchases.*
from purchases
inner join headers on purchases.purchase_order_id = headers.purchase_order_id
where
    {{ any_differs('purchases', 'headers', ['subtotal', 'tax_amount', 'freight_amount']) }}
