-- grain: one row per version of a purchase order: as it was first read, and after each change
with

versions as (

    select
        *,
        {{ record_number('purchase_order_id') }} as purchase_record_id
    from {{ ref('stg_totesys_purchase_orders') }}
    where is_change and not is_deleted

),

staff as (

    select * from {{ ref('dim_staff') }}

),

counterparties as (

    select * from {{ ref('dim_counterparty') }}

),

currencies as (

    select * from {{ ref('dim_totesys_currency') }}

),

locations as (

    select * from {{ ref('dim_totesys_location') }}

),

final as (

    select
        versions.purchase_record_id,
        versions.purchase_order_id,
        {{ calendar_day('versions.created_at') }} as created_date,
        {{ time_of_day('versions.created_at') }} as created_time,
        {{ calendar_day('versions.last_updated') }} as last_updated_date,
        {{ time_of_day('versions.last_updated') }} as last_updated_time,
        {{ member_or_unknown('staff.staff_id') }} as staff_id,
        {{ member_or_unknown('counterparties.counterparty_id') }} as counterparty_id,
        versions.item_code,
        versions.item_quantity,
        versions.item_unit_price,
        {{ member_or_unknown('currencies.currency_id') }} as currency_id,
        versions.agreed_delivery_date,
        versions.agreed_payment_date,
        {{ member_or_unknown('locations.location_id') }} as agreed_delivery_location_id
    from versions
    left join staff on versions.staff_id = staff.staff_id
    left join counterparties on versions.counterparty_id = counterparties.counterparty_id
    left join currencies on versions.currency_id = currencies.currency_id
    left join locations on versions.agreed_delivery_location_id = locations.location_id

)

select * from final
