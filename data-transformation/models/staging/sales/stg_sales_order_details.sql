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
        cast({{ amount('unitpricediscount', digits=9) }} as decimal(18, 4)) as unit_price_discount,

        -- extraction
        {{ extracted_at() }} as extracted_at

    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesorderdetail')) }}

),

-- exact at 8 decimals: price and discount have 4 each
multiplied as (

    select
        *,
        cast({{ product(['unit_price', 'order_quantity']) }} as decimal(38, 8)) as gross_amount,
        cast({{ product(['unit_price', 'unit_price_discount', 'order_quantity']) }} as decimal(38, 8))
            as discount_amount
    from renamed

),

computed as (

    select
        *,
        cast(gross_amount - discount_amount as decimal(38, 8)) as line_total
    from multiplied

)

select * from computed
