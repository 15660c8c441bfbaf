-- No amount of the raw layer has more than the four decimals that staging keeps, whatever type it landed as.
{{ config(store_failures=true, schema='dbt_test_failures') }}
{%- set amounts = {
    ('sales', 'salesorderheader'): ['subtotal', 'taxamt', 'freight', 'totaldue'],
    ('sales', 'salesorderdetail'): ['unitprice', 'unitpricediscount'],
    ('sales', 'salespersonquotahistory'): ['salesquota'],
    ('sales', 'currencyrate'): ['averagerate', 'endofdayrate'],
    ('production', 'product'): ['standardcost', 'listprice'],
    ('production', 'productcosthistory'): ['standardcost'],
    ('production', 'productlistpricehistory'): ['listprice'],
    ('production', 'workorderrouting'): ['plannedcost', 'actualcost'],
    ('production', 'transactionhistory'): ['actualcost'],
    ('production', 'transactionhistoryarchive'): ['actualcost'],
    ('purchasing', 'purchaseorderheader'): ['subtotal', 'taxamt', 'freight'],
    ('purchasing', 'purchaseorderdetail'): ['unitprice'],
    ('humanresources', 'employeepayhistory'): ['rate'],
} %}
with

amounts as (
    {% for (schema, table), columns in amounts.items() %}
    {%- set raw = source('adventureworks_' ~ schema, table) %}
    {%- for column in columns %}
    select
        '{{ schema }}.{{ table }}.{{ column }}' as amount_column,
        cast({{ column }} as double) as raw_amount,
        cast({{ amount(column) }} as double) as exact_amount
    from {{ raw }}
    where {{ not_deleted(raw) }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

-- a float that stands for a decimal is off by less than a millionth; lost digits are more
select *
from amounts
where abs(raw_amount - exact_amount) > 0.000001
