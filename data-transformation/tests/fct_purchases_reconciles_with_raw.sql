-- Purchase order lines, their quantities and their exact total equal the raw layer's.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum(orderqty), 0) as ordered_quantity,
        coalesce(sum(cast(receivedqty as decimal(8, 2))), 0) as received_quantity,
        coalesce(sum(cast(rejectedqty as decimal(8, 2))), 0) as rejected_quantity,
        coalesce(sum({{ product([amount('unitprice'), 'orderqty']) }}), 0) as line_total
    from {{ source('adventureworks_purchasing', 'purchaseorderdetail') }}
    where {{ not_deleted(source('adventureworks_purchasing', 'purchaseorderdetail')) }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(ordered_quantity), 0) as ordered_quantity,
        coalesce(sum(received_quantity), 0) as received_quantity,
        coalesce(sum(rejected_quantity), 0) as rejected_quantity,
        coalesce(sum(line_total), 0) as line_total
    from {{ ref('fct_purchases') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', [
        'row_count', 'ordered_quantity', 'received_quantity', 'rejected_quantity', 'line_total'
    ]) }}
