-- grain: one row per sales order line
with

source as (

    select * from {{ source('adventureworks_sales', 'salesorderdetail') }}

),

renamed as (

    select
        -- ids
        salesorderid as order_id,
        salesorderdetailid as order_line_id,
        productid as product_id,
        specialofferid as special_offer_id,

        -- text
        'SO' || cast(salesorderid as varchar) as order_number,
        carriertrackingnumber as carrier_tracking_number,

        -- numerics
        orderqty as order_quantity,
        {{ amount('unitprice') }} as unit_price,
        {{ amount('unitpricediscount') }} as unit_price_discount,

        -- extraction
        {{ extracted_at() }} as extracted_at

    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesorderdetail')) }}

),

-- exact at 6 decimals: a price has 4, a discount 2
computed as (

    select
        *,
        cast(unit_price * order_quantity as decimal(18, 6)) as gross_amount,
        cast(unit_price * unit_price_discount * order_quantity as decimal(18, 6)) as discount_amount,
        cast(unit_price * (1 - unit_price_discount) * order_quantity as decimal(18, 6)) as line_total
    from renamed

)

select * from computed
