-- grain: one row per special offer
with

source as (

    select * from {{ source('adventureworks_sales', 'specialoffer') }}

),

renamed as (

    select
        -- ids
        specialofferid as special_offer_id,

        -- text
        description as promotion_name,
        type as promotion_type,
        category as promotion_category,

        -- numerics
        {{ amount('discountpct') }} as discount_percentage,
        minqty as minimum_quantity,
        maxqty as maximum_quantity,

        -- timestamps
        startdate as start_date,
        enddate as end_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'specialoffer')) }}

)

select * from renamed
