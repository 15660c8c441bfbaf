-- Every dimension has exactly one unknown member, so that no fact row is ever without a row to join.
{%- set dimensions = {
    'dim_product': 'product_key',
    'dim_customer': 'customer_key',
    'dim_geography': 'geography_key',
    'dim_sales_territory': 'territory_key',
    'dim_salesperson': 'salesperson_key',
    'dim_promotion': 'promotion_key',
    'dim_order_status': 'order_status_key',
    'dim_channel': 'channel_key',
    'dim_credit_card_type': 'credit_card_type_key',
    'dim_ship_method': 'ship_method_key',
    'dim_currency': 'currency_key',
    'dim_sales_reason': 'sales_reason_key',
    'dim_vendor': 'vendor_key',
    'dim_location': 'location_key',
    'dim_scrap_reason': 'scrap_reason_key',
    'dim_department': 'department_key',
    'dim_employee': 'employee_key'
} %}

{%- for dimension, key in dimensions.items() %}
select
    '{{ dimension }}' as dimension,
    count(*) as unknown_members
from {{ ref(dimension) }}
where {{ key }} = {{ unknown_key() }}
having count(*) <> 1

union all
{%- endfor %}

select
    'dim_date' as dimension,
    count(*) as unknown_members
from {{ ref('dim_date') }}
where date_key = -1
having count(*) <> 1
