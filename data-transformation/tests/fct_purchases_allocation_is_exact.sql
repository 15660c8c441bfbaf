-- The lines of a purchase order carry its tax and freight to the last digit.
{{ config(store_failures=true, schema='dbt_test_failures', meta={'keys': ['purchase_order_id']}) }}
with

purchases as (

    select
        purchase_order_id,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount
    from {{ ref('fct_purchases') }}
    group by purchase_order_id

),

headers as (

    select
        purchase_order_id,
        coalesce(tax_amount, 0) as tax_amount,
        coalesce(freight_amount, 0) as freight_amount
    from {{ ref('stg_purchase_order_headers') }}

)

select purchases.*
from purchases
inner join headers on purchases.purchase_order_id = headers.purchase_order_id
where
    {{ any_differs('purchases', 'headers', ['tax_amount', 'freight_amount']) }}
