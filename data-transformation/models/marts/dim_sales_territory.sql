-- grain: one row per sales territory, and the unknown territory
with

territories as (

    select * from {{ ref('stg_sales_territories') }}

),

countries as (

    select * from {{ ref('stg_country_regions') }}

),

described as (

    select
        {{ surrogate_key(['territories.territory_id']) }} as territory_key,
        territories.territory_id,
        territories.territory_name,
        territories.territory_group,
        territories.country_code as territory_country_code,
        coalesce(countries.country_name, 'Unknown') as territory_country
    from territories
    left join countries on territories.country_code = countries.country_code

),

unknown_territory as (

    select
        {{ unknown_key() }} as territory_key,
        cast(null as integer) as territory_id,
        'Unknown' as territory_name,
        'Unknown' as territory_group,
        'Unknown' as territory_country_code,
        'Unknown' as territory_country

)

select * from described
union all
select * from unknown_territory
