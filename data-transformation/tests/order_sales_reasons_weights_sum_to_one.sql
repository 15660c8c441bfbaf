-- Every order is shared out whole among its reasons, and no order is left out.
{{ config(store_failures=true, schema='dbt_test_failures', meta={'keys': ['order_id']}) }}
with

orders as (

    select * from {{ ref('fct_orders') }}

),

shares as (

    select
        order_id,
        sum(weight) as total_weight
    from {{ ref('fct_order_sales_reasons') }}
    group by order_id

)

select
    coalesce(orders.order_id, shares.order_id) as order_id,
    shares.total_weight
from orders
full join shares on orders.order_id = shares.order_id
where
    orders.order_id is null
    or shares.total_weight is null
    or shares.total_weight <> 1
