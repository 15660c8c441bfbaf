-- grain: one row per sales order that the source has, as it is now
with

versions as (

    select * from {{ ref('fact_sales_order') }}

),

newest as (

    select
        sales_order_id,
        max(sales_record_id) as sales_record_id
    from versions
    group by sales_order_id

),

present as (

    select sales_order_id
    from {{ ref('stg_totesys_sales_orders') }}
    where is_current

),

final as (

    select
        versions.sales_record_id,
        versions.sales_order_id,
        versions.created_date,
        versions.created_time,
        versions.last_updated_date,
        versions.last_updated_time,
        versions.sales_staff_id,
        versions.counterparty_id,
        versions.units_sold,
        versions.unit_price,
        versions.currency_id,
        versions.design_id,
        versions.agreed_payment_date,
        versions.agreed_delivery_date,
        versions.agreed_delivery_location_id
    from versions
    inner join newest on versions.sales_record_id = newest.sales_record_id
    inner join present on versions.sales_order_id = present.sales_order_id

)

select * from final
