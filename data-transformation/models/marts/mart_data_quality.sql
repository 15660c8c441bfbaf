-- grain: one row per kind of oddity, stream and day on which rows of the stream are so
{#-
    What the business did, though nobody expected it. It is published as it is and counted here. Each kind: model, stream,
    the row's name, its day, and what makes a row odd.
-#}
{%- set line = "cast(order_id as varchar) || '/' || cast(order_line_id as varchar)" %}
{%- set purchase_line = "cast(purchase_order_id as varchar) || '/' || cast(purchase_order_line_id as varchar)" %}
{%- set unknown = unknown_key() %}
{%- set kinds = [
    ('fct_sales', 'sales.salesorderdetail', line, 'order_date_key', {
        'Quantity is not positive': 'order_quantity <= 0',
        'Price is negative': 'unit_price < 0',
        'Discount is not between 0 and 1': 'unit_price_discount < 0 or unit_price_discount > 1',
        'Product is not known': 'product_key = ' ~ unknown,
        'Special offer is not known': 'promotion_key = ' ~ unknown,
        'Order is not known': 'order_hash is null',
    }),
    ('fct_orders', 'sales.salesorderheader', 'order_id', 'order_date_key', {
        'Customer is not known': 'customer_key = ' ~ unknown,
        'Status is not known': 'order_status_key = ' ~ unknown,
        'Day of the order is not in the calendar': 'order_date_key = -1',
        'Due day is not in the calendar': 'due_date_key = -1',
        'Day of shipment is not in the calendar': 'ship_date_key = -1 and shipped_at is not null',
        'Shipped before it was ordered': 'shipped_at < ordered_at',
        'Order has no lines': 'line_count = 0',
        'Subtotal is not the sum of the lines': 'line_count > 0 and abs(line_total - subtotal) > 0.00005',
        'Total is not subtotal, tax and freight':
            'total_due is null or total_due <> cast(subtotal as decimal(38, 4)) + tax_amount + freight_amount',
    }),
    ('stg_sales_order_reasons', 'sales.salesorderheadersalesreason', 'order_id', '-1', {
        'Order is not known': 'order_id not in (select orders.order_id from ' ~ ref('fct_orders') ~ ' as orders)',
    }),
    ('fct_sales_quotas', 'sales.salespersonquotahistory', 'salesperson_id', 'quota_date_key', {
        'Quota is negative': 'quota_amount < 0',
        'Day of the quota is not in the calendar': 'quota_date_key = -1',
    }),
    ('stg_currency_rates', 'sales.currencyrate', 'currency_rate_id', date_key('rate_date'), {
        'Rate is not positive': 'average_rate <= 0 or end_of_day_rate <= 0',
        'Day of the rate is not in the calendar': date_key('rate_date') ~ ' = -1',
    }),
    ('fct_purchases', 'purchasing.purchaseorderdetail', purchase_line, 'order_date_key', {
        'Quantity is not positive': 'ordered_quantity <= 0',
        'Price is negative': 'unit_price < 0',
        'Received or rejected quantity is out of range':
            'received_quantity < 0 or rejected_quantity < 0 or rejected_quantity > received_quantity',
        'More was received than ordered': 'received_quantity > ordered_quantity',
        'Product is not known': 'product_key = ' ~ unknown,
        'Order is not known': 'ordered_at is null',
        'A day is not in the calendar': '(order_date_key = -1 and ordered_at is not null)
            or due_date_key = -1 or (ship_date_key = -1 and shipped_at is not null)',
    }),
    ('fct_work_orders', 'production.workorder', 'work_order_id', 'start_date_key', {
        'Quantity is not positive': 'ordered_quantity <= 0',
        'Scrap is out of range': 'scrapped_quantity < 0 or scrapped_quantity > ordered_quantity',
        'Scrap without reason, or reason without scrap': '(scrapped_quantity > 0) <> (scrap_reason_key <> ' ~ unknown ~ ')',
        'Product is not known': 'product_key = ' ~ unknown,
        'A day is not in the calendar':
            'start_date_key = -1 or due_date_key = -1 or (end_date_key = -1 and ended_at is not null)',
    }),
    ('stg_work_order_routings', 'production.workorderrouting', 'work_order_id', date_key('planned_start_at'), {
        'Work order is not known':
            'work_order_id not in (select made.work_order_id from ' ~ ref('fct_work_orders') ~ ' as made)',
    }),
    ('fct_inventory_movements', 'production.transactionhistory', 'transaction_id', 'movement_date_key', {
        'Quantity or cost is negative': 'quantity < 0 or actual_cost < 0',
        'Kind of movement is not known': "movement_type_name = 'Unknown'",
        'Product is not known': 'product_key = ' ~ unknown,
        'Day of the movement is not in the calendar': 'movement_date_key = -1',
    }),
    ('fct_inventory_daily', 'production.productinventory',
        "cast(product_id as varchar) || '/' || cast(location_id as varchar)", 'date_key', {
        'Quantity is negative': 'quantity < 0',
    }),
    ('stg_employee_pay_history', 'humanresources.employeepayhistory', 'employee_id', date_key('changed_at'), {
        'Rate is not positive': 'hourly_rate <= 0',
        'Frequency of pay is not known': 'pay_frequency_id not in (1, 2)',
    }),
] %}
{%- set histories = [
    ('stg_product_cost_history', 'production.productcosthistory', 'product_id', 'valid_from', 'last_valid_day'),
    ('stg_product_list_price_history', 'production.productlistpricehistory', 'product_id', 'valid_from', 'last_valid_day'),
    ('stg_employee_department_history', 'humanresources.employeedepartmenthistory', 'employee_id', 'start_date', 'end_date'),
] %}
{%- if in_use('web') %}
{%- do kinds.append(('fct_page_views', 'web.events', 'event_id', 'view_date_key', {
    'Page confirms an order without a number': "page_type = 'order' and order_id is null",
    'Value is not of an order, or an order has none': "(page_type = 'order') <> (order_value is not null)",
})) %}
{%- endif %}
with

-- each model is read once, whatever the number of its kinds; a kind that asks a subquery is the only one of its model:
-- Snowflake has such subqueries in conditions only
{% for model, stream, row_id, day, conditions in kinds %}
odd_{{ model }} as (

    select
        {%- for condition in conditions.values() if conditions | length > 1 %}
        {{ condition }} as is_odd_{{ loop.index }},
        {%- endfor %}
        cast({{ row_id }} as varchar) as row_id,
        {{ day }} as date_key
    from {{ ref(model) }}
    where ({{ conditions.values() | join(') or (') }})

),

{% endfor %}
odd_rows as (
    {% for model, stream, row_id, day, conditions in kinds %}
    {%- for kind in conditions %}
    select
        '{{ kind }}' as kind,
        '{{ stream }}' as stream_name,
        row_id,
        date_key
    from odd_{{ model }}
    {%- if conditions | length > 1 %}
    where is_odd_{{ loop.index }}
    {%- endif %}

    union all
    {% endfor %}
    {%- endfor %}
    {%- for model, stream, id, first_day, last_day in histories %}
    select
        'Period overlaps the next one' as kind,
        '{{ stream }}' as stream_name,
        row_id,
        date_key
    from (
        select
            cast({{ id }} as varchar) as row_id,
            {{ date_key(first_day) }} as date_key,
            {{ first_day }} as first_day,
            {{ last_day }} as last_day,
            lead({{ first_day }}) over (partition by {{ id }} order by {{ first_day }}) as next_first_day
        from {{ ref(model) }}
    ) as periods
    where
        last_day < first_day
        or (next_first_day is not null and (last_day is null or last_day >= next_first_day))

    union all
    {% endfor %}
    select
        'Two quotas in a quarter' as kind,
        'sales.salespersonquotahistory' as stream_name,
        cast(salesperson_id as varchar) as row_id,
        max(quota_date_key) as date_key
    from {{ ref('fct_sales_quotas') }}
    group by salesperson_id, quarter_start
    having count(*) > 1

    union all

    select
        case
            when amount is null then 'Amount is no number or too large: '
            else 'Amount has too many decimals: '
        end || amount_column as kind,
        stream_name,
        row_id,
        {{ date_key('amount_day') }} as date_key
    from {{ ref('int_odd_amounts') }}

),

-- the calendar reaches as far as facts do; a price may begin before
dated as (

    select
        odd_rows.kind,
        odd_rows.stream_name,
        odd_rows.row_id,
        coalesce(dates.date_key, -1) as date_key
    from odd_rows
    left join {{ ref('dim_date') }} as dates on odd_rows.date_key = dates.date_key

),

counted as (

    select
        kind,
        stream_name,
        date_key,
        count(*) as row_count,
        min(row_id) as first_row_id,
        max(row_id) as last_row_id
    from dated
    group by kind, stream_name, date_key

),

final as (

    select
        {{ surrogate_key(['kind', 'stream_name', 'date_key']) }} as data_quality_key,
        kind,
        stream_name,
        date_key,
        cast(row_count as integer) as row_count,
        first_row_id,
        last_row_id
    from counted

)

select * from final
