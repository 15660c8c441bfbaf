-- The wide table neither loses nor doubles a line: same lines, same sums as the fact.
with

sales as (

    select
        count(*) as line_count,
        sum(line_total) as line_total,
        sum(margin) as margin,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount
    from {{ ref('fct_sales') }}

),

wide_sales as (

    select
        count(*) as line_count,
        sum(line_total) as line_total,
        sum(margin) as margin,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount
    from {{ ref('obt_sales') }}

)

select wide_sales.*
from sales
cross join wide_sales
where
    {{ any_differs('sales', 'wide_sales', [
        'line_count', 'line_total', 'margin', 'tax_amount', 'freight_amount'
    ]) }}
