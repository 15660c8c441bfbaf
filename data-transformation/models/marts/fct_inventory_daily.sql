-- grain: one row per product, location and day since the first load: what lay there as the day ended, or lies there now
with

versions as (

    select * from {{ ref('product_inventory_snapshot') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

products as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else valid_from end as applies_from
    from {{ ref('dim_product') }}

),

locations as (

    select * from {{ ref('dim_location') }}

),

-- the version that held at the midnight after the day; days to come have none
days as (

    select
        versions.product_id,
        versions.location_id,
        dates.date_key,
        dates.date_day,
        versions.quantity
    from versions
    inner join dates
        on
            {{ next_midnight('dates.date_day') }} > versions.dbt_valid_from
            and {{ next_midnight('dates.date_day') }} <= coalesce(versions.dbt_valid_to, {{ end_of_time() }})
    where dates.date_day <= {{ build_day() }}

),

-- rebuilt whole: a day has about a thousand rows, and a cost put right reaches all of them
final as (

    select
        {{ surrogate_key(['days.product_id', 'days.location_id', 'days.date_key']) }} as inventory_key,
        days.date_key,
        days.date_day,
        {{ key_or_unknown('products.product_key') }} as product_key,
        {{ key_or_unknown('locations.location_key') }} as location_key,
        cast(days.product_id as integer) as product_id,
        cast(days.location_id as integer) as location_id,
        cast(days.quantity as integer) as quantity,
        cast(products.standard_cost as decimal(18, 4)) as unit_cost,
        cast({{ product(['products.standard_cost', 'days.quantity']) }} as decimal(38, 4)) as stock_value
    from days
    left join products
        on
            days.product_id = products.product_id
            and days.date_day >= products.applies_from
            and days.date_day < products.valid_to
    left join locations on days.location_id = locations.location_id

)

select * from final
