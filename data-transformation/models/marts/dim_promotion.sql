-- grain: one row per special offer ("No Discount" is one of them), and the unknown promotion
with

special_offers as (

    select * from {{ ref('stg_special_offers') }}

),

described as (

    select
        {{ surrogate_key(['special_offer_id']) }} as promotion_key,
        special_offer_id,
        promotion_name,
        promotion_type,
        promotion_category,
        discount_percentage,
        minimum_quantity,
        maximum_quantity,
        cast(start_date as date) as start_date,
        cast(end_date as date) as end_date
    from special_offers

),

unknown_promotion as (

    select
        {{ unknown_key() }} as promotion_key,
        cast(null as integer) as special_offer_id,
        'Unknown' as promotion_name,
        'Unknown' as promotion_type,
        'Unknown' as promotion_category,
        cast(null as decimal(18, 4)) as discount_percentage,
        cast(null as integer) as minimum_quantity,
        cast(null as integer) as maximum_quantity,
        cast(null as date) as start_date,
        cast(null as date) as end_date

)

select * from described
union all
select * from unknown_promotion
