-- grain: one row per sales order and reason to buy, or one "No reason" row for an order that names none (bridge)
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='order_id',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('fct_orders'), ['order_id'], row_each=false) }}"
    )
}}

{%- set is_update = is_incremental() %}
{%- set compares_touched = is_update and only_touched() and not has_newer_inputs('dim_sales_reason') %}
{%- set is_touched = among_touched('orders.order_id', 'orders', 'order_id') %}
{%- set was_touched = among_touched('built.order_id', 'orders', 'order_id') %}

with

orders as (

    select * from {{ ref('fct_orders') }}

),

order_reasons as (

    select * from {{ ref('stg_sales_order_reasons') }}

),

sales_reasons as (

    select * from {{ ref('dim_sales_reason') }}

),

{%- if is_update %}

-- the tables themselves are read here: a CTE that is read twice is copied, all its columns
named_now as (

    select
        orders.order_id,
        orders.order_date_key,
        coalesce(order_reasons.sales_reason_id, 0) as sales_reason_id
    from {{ ref('fct_orders') }} as orders
    left join {{ ref('stg_sales_order_reasons') }} as order_reasons on orders.order_id = order_reasons.order_id
    {%- if compares_touched %}
    where {{ is_touched }}
    {%- endif %}

),

named_before as (

    select
        built.order_id,
        built.order_date_key,
        sales_reasons.sales_reason_id
    from {{ this }} as built
    inner join sales_reasons on built.sales_reason_key = sales_reasons.sales_reason_key
    {%- if compares_touched %}
    where {{ was_touched }}
    {%- endif %}

),

-- orders that have another day, or a reason that has come, gone or become known (none names the unknown member)
outdated_orders as (

    select coalesce(named_now.order_id, named_before.order_id) as order_id
    from named_now
    full outer join named_before
        on
            named_now.order_id = named_before.order_id
            and named_now.sales_reason_id = named_before.sales_reason_id
    where
        named_now.order_id is null
        or named_before.order_id is null
        or named_now.order_date_key <> named_before.order_date_key
    group by coalesce(named_now.order_id, named_before.order_id)

),

{%- endif %}

-- 0 is "No reason"
named as (

    select
        orders.order_id,
        orders.order_key,
        orders.order_date_key,
        coalesce(order_reasons.sales_reason_id, 0) as sales_reason_id,
        count(*) over (partition by orders.order_id) as reason_count,
        row_number() over (partition by orders.order_id order by order_reasons.sales_reason_id) as reason_number
    from orders
    left join order_reasons on orders.order_id = order_reasons.order_id
    {%- if is_update %}
    where orders.order_id in (select outdated_orders.order_id from outdated_orders)
    {%- endif %}

),

-- equal shares at 6 decimals; the last reason takes the rest
weighed as (

    select
        *,
        cast({{ divide('1', 'reason_count', 6) }} as decimal(9, 6)) as equal_share
    from named

),

final as (

    select
        {{ surrogate_key(['weighed.order_id', 'weighed.sales_reason_id']) }} as order_sales_reason_key,
        weighed.order_id,
        weighed.order_key,
        {{ key_or_unknown('sales_reasons.sales_reason_key') }} as sales_reason_key,
        weighed.order_date_key,
        cast(weighed.reason_count as integer) as reason_count,
        cast(
            case
                when weighed.reason_number = weighed.reason_count
                    then 1 - weighed.equal_share * (weighed.reason_count - 1)
                else weighed.equal_share
            end as decimal(9, 6)
        ) as weight
    from weighed
    left join sales_reasons on weighed.sales_reason_id = sales_reasons.sales_reason_id

)

select * from final
