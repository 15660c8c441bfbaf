-- grain: one row per version of a sales order: as it was first read, and after each change
with

versions as (

    select
        *,
        {{ record_number('sales_order_id') }} as sales_record_id
    from {{ ref('stg_totesys_sales_orders') }}
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

designs as (

    select * from {{ ref('dim_design') }}

),

locations as (

    select * from {{ ref('dim_totesys_location') }}

),

final as (

    select
        versions.sales_record_id,
        versions.sales_order_id,
        {{ calendar_day('versions.created_at') }} as created_date,
        {{ time_of_day('versions.created_at') }} as created_time,
        {{ calendar_day('versions.last_updated') }} as last_updated_date,
        {{ time_of_day('versions.last_updated') }} as last_updated_time,
        {{ member_or_unknown('staff.staff_id') }} as sales_staff_id,
        {{ member_or_unknown('counterparties.counterparty_id') }} as counterparty_id,
        versions.units_sold,
        versions.unit_price,
        {{ member_or_unknown('currencies.currency_id') }} as currency_id,
        {{ member_or_unknown('designs.design_id') }} as design_id,
        versions.agreed_payment_date,
        versions.agreed_delivery_date,
        {{ member_or_unknown('locations.location_id') }} as agreed_delivery_location_id
    from versions
    left join staff on versions.staff_id = staff.staff_id
    left join counterparties on versions.counterparty_id = counterparties.counterparty_id
    left join currencies on versions.currency_id = currencies.currency_id
    left join designs on versions.design_id = designs.design_id
    left join locations on versions.agreed_delivery_location_id = locations.location_id

)

select * from final
