-- grain: one row per purchase order that the source has, as it is now
with

versions as (

    select * from {{ ref('fact_purchase_order') }}

),

newest as (

    select
        purchase_order_id,
        max(purchase_record_id) as purchase_record_id
    from versions
    group by purchase_order_id

),

present as (

    select purchase_order_id
    from {{ ref('stg_totesys_purchase_orders') }}
    where is_current

),

final as (

    select
        versions.purchase_record_id,
        versions.purchase_order_id,
        versions.created_date,
        versions.created_time,
        versions.last_updated_date,
        versions.last_updated_time,
        versions.staff_id,
        versions.counterparty_id,
        versions.item_code,
        versions.item_quantity,
        versions.item_unit_price,
        versions.currency_id,
        versions.agreed_delivery_date,
        versions.agreed_payment_date,
        versions.agreed_delivery_location_id
    from versions
    inner join newest on versions.purchase_record_id = newest.purchase_record_id
    inner join present on versions.purchase_order_id = present.purchase_order_id

)

select * from final
