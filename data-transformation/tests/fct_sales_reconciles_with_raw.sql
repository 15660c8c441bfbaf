-- Lines and their exact total equal the raw layer's, computed from the source's own columns.
with

raw_lines as (

    select
        count(*) as line_count,
        coalesce(
            sum(
                cast({{ amount('unitprice') }} as decimal(38, 4)) * (1 - {{ amount('unitpricediscount', digits=9) }}) * orderqty
            ), 0
        ) as line_total
    from {{ source('adventureworks_sales', 'salesorderdetail') }}
    where {{ not_deleted(source('adventureworks_sales', 'salesorderdetail')) }}

),

sales as (

    select
        count(*) as line_count,
        coalesce(sum(line_total), 0) as line_total
    from {{ ref('fct_sales') }}

)

select
    raw_lines.line_count as raw_line_count,
    sales.line_count,
    raw_lines.line_total as raw_line_total,
    sales.line_total
from raw_lines
cross join sales
where
    raw_lines.line_count <> sales.line_count
    or raw_lines.line_total <> sales.line_total
