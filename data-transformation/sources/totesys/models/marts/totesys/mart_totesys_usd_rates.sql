-- grain: one row per currency and day: how much of it one US dollar was worth
with

own as (

    select * from {{ ref('int_totesys_usd_rates') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

own_daily as (

    select
        own.currency_code,
        dates.date_day as rate_date,
        own.per_usd,
        'AdventureWorks' as rate_origin
    from own
    inner join dates
        on
            own.valid_from <= dates.date_day
            and own.valid_to > dates.date_day

),

{%- if in_use('rates') %}

published as (

    select
        to_currency_code as currency_code,
        rate_date,
        rate as per_usd,
        'Published' as rate_origin
    from {{ ref('fct_exchange_rates') }}
    where from_currency_code = 'USD' and rate > 0

),

chosen as (

    select * from published
    union all
    select own_daily.*
    from own_daily
    left join published
        on
            own_daily.currency_code = published.currency_code
            and own_daily.rate_date = published.rate_date
    where published.rate_date is null

),
{%- else %}

chosen as (

    select * from own_daily

),
{%- endif %}

final as (

    select
        {{ surrogate_key(['currency_code', date_key('rate_date')]) }} as usd_rate_key,
        currency_code,
        rate_date,
        cast(per_usd as decimal(28, 10)) as per_usd,
        rate_origin
    from chosen

)

select * from final
