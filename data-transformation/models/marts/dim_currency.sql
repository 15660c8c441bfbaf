-- grain: one row per currency, and the unknown currency (which stands for none, too)
with

currencies as (

    select * from {{ ref('stg_currencies') }}

),

described as (

    select
        {{ surrogate_key(['currency_code']) }} as currency_key,
        currency_code,
        currency_name
    from currencies

),

unknown_currency as (

    select
        {{ unknown_key() }} as currency_key,
        cast(null as varchar) as currency_code,
        'Unknown' as currency_name

)

select * from described
union all
select * from unknown_currency
