-- grain: one row per amount of the raw layer that staging can't hold to the last digit, whatever type it landed as
{%- set amounts = {
    ('sales', 'salesorderheader'): (['salesorderid'], 'orderdate', ['subtotal', 'taxamt', 'freight', 'totaldue']),
    ('sales', 'salesorderdetail'): (['salesorderid', 'salesorderdetailid'], none, ['unitprice', 'unitpricediscount']),
    ('sales', 'salespersonquotahistory'): (['businessentityid', timestamp_text('quotadate')], 'quotadate', ['salesquota']),
    ('sales', 'currencyrate'): (['currencyrateid'], 'currencyratedate', ['averagerate', 'endofdayrate']),
    ('sales', 'specialoffer'): (['specialofferid'], 'startdate', ['discountpct']),
    ('production', 'product'): (['productid'], none, ['standardcost', 'listprice']),
    ('production', 'productcosthistory'): (['productid', timestamp_text('startdate')], 'startdate', ['standardcost']),
    ('production', 'productlistpricehistory'): (['productid', timestamp_text('startdate')], 'startdate', ['listprice']),
    ('production', 'location'): (['locationid'], none, ['costrate']),
    ('production', 'workorderrouting'): (['workorderid', 'productid', 'operationsequence'], 'scheduledstartdate', ['plannedcost', 'actualcost']),
    ('production', 'transactionhistory'): (['transactionid'], 'transactiondate', ['actualcost']),
    ('production', 'transactionhistoryarchive'): (['transactionid'], 'transactiondate', ['actualcost']),
    ('purchasing', 'purchaseorderheader'): (['purchaseorderid'], 'orderdate', ['subtotal', 'taxamt', 'freight']),
    ('purchasing', 'purchaseorderdetail'): (['purchaseorderid', 'purchaseorderdetailid'], 'duedate', ['unitprice']),
    ('purchasing', 'shipmethod'): (['shipmethodid'], none, ['shipbase', 'shiprate']),
    ('humanresources', 'employeepayhistory'): (['businessentityid', timestamp_text('ratechangedate')], 'ratechangedate', ['rate']),
} %}
{#- decimals and digits of what is not decimal(18, 4) in staging -#}
{%- set types = {'unitpricediscount': (4, 9), 'averagerate': (10, 28), 'endofdayrate': (10, 28)} %}
with

odd as (
    {% for (schema, table), (keys, day, columns) in amounts.items() %}
    {%- set raw = source('adventureworks_' ~ schema, table) %}
    {%- set landed = landed_as(raw) %}
    {%- set is_there = not_deleted(raw) %}
    {%- for column in columns %}
    {%- set exact = amount(column, *types.get(column, (4, 18))) %}
    {%- set places = types.get(column, (4, 18))[0] %}
    {%- if landed[column] == 'text' %}
    {#- the other texts have no fifth decimal, and to count those of each costs more -#}
    {%- set is_strange = "lower(" ~ column ~ ") like '%e%' or replace(" ~ column ~ ", '_', '') <> " ~ column %}
    {%- set longer = column ~ " like '%._____%' or " ~ is_strange %}
    {%- set is_rounded = "(" ~ longer ~ ") and coalesce(" ~ decimals_of(column) ~ ", 99) > " ~ places %}
    {%- else %}
    {#- a float that stands for a decimal is off by less than a millionth; lost digits are more -#}
    {%- set tolerance = '0.000001' if landed[column] == 'float' else '0' %}
    {%- set is_rounded = 'abs(' ~ amount(column, 16, 38) ~ ' - ' ~ exact ~ ') > ' ~ tolerance %}
    {%- endif %}
    select
        '{{ schema }}.{{ table }}' as stream_name,
        '{{ column }}' as amount_column,
        {% for key in keys %}
        {% if not loop.first %}|| '/' || {% endif %}cast({{ key }} as varchar)
        {% endfor %} as row_id,
        {{ calendar_day(day) if day else 'cast(null as date)' }} as amount_day,
        cast({{ column }} as varchar) as raw_amount,
        {{ exact }} as amount
    from {{ raw }}
    -- here and not after the union: above it DuckDB makes every column of every row before it filters
    where
        {{ column }} is not null and {{ is_there }}
        and ({{ exact }} is null or ({{ is_rounded }}))
    {% if not loop.last %}union all{% endif %}
    {%- endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from odd
