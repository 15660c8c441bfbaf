-- grain: one row per currency of the second company, and the unknown one
with

versions as (

    select * from {{ ref('stg_totesys_currencies') }}

),

currencies as (

    select * from {{ ref('dim_currency') }}

),

named as (

    select
        versions.currency_id,
        versions.currency_code,
        currencies.currency_name
    from versions
    left join currencies on versions.currency_code = currencies.currency_code
    where versions.is_last_known

),

unknown as (

    select
        -1 as currency_id,
        cast(null as varchar) as currency_code,
        'Unknown' as currency_name

)

select * from named
union all
select * from unknown
