-- The current rows of each fact are the last versions in staging that were not deleted, with the same amounts.
{%- set facts = {
    'sales_order': ('sales_orders', 'unit_price * units_sold'),
    'purchase_order': ('purchase_orders', 'item_unit_price * item_quantity'),
    'payment': ('payments', 'payment_amount')
} %}
with

totals as (
    {%- for fact, (stream, amount) in facts.items() %}
    select
        '{{ fact }}' as fact,
        'fact' as layer,
        count(*) as row_count,
        coalesce(sum({{ amount }}), 0) as amount
    from {{ ref('fact_' ~ fact ~ '_current') }}
    union all
    select
        '{{ fact }}' as fact,
        'staging' as layer,
        count(*) as row_count,
        coalesce(sum({{ amount }}), 0) as amount
    from {{ ref('stg_totesys_' ~ stream) }}
    where is_current
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}

)

select
    fact_totals.fact,
    fact_totals.row_count as fact_rows,
    staging_totals.row_count as staging_rows,
    fact_totals.amount as fact_amount,
    staging_totals.amount as staging_amount
from totals as fact_totals
inner join totals as staging_totals
    on
        fact_totals.fact = staging_totals.fact
        and fact_totals.layer = 'fact'
        and staging_totals.layer = 'staging'
where {{ any_differs('fact_totals', 'staging_totals', ['row_count', 'amount']) }}
