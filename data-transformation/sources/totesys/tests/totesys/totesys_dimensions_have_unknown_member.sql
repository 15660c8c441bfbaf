-- Each dimension of the second company has exactly one unknown member.
{%- set dimensions = {
    'dim_staff': 'staff_id',
    'dim_totesys_location': 'location_id',
    'dim_design': 'design_id',
    'dim_totesys_currency': 'currency_id',
    'dim_counterparty': 'counterparty_id',
    'dim_payment_type': 'payment_type_id',
    'dim_transaction': 'transaction_id'
} %}

{%- for dimension, key in dimensions.items() %}
select
    '{{ dimension }}' as dimension,
    count(*) as unknown_members
from {{ ref(dimension) }}
where {{ key }} = -1
having count(*) <> 1
{% if not loop.last %}
union all
{% endif %}
{%- endfor %}
