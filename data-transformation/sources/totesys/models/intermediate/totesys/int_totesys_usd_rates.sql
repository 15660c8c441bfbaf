-- grain: one row per currency and span of days in which one rate holds: AdventureWorks' own, up to the next one
with

rates as (

    select * from {{ ref('stg_currency_rates') }}

),

daily as (

    select
        to_currency_code as currency_code,
        {{ calendar_day('rate_date') }} as rate_date,
        average_rate,
        row_number() over (
            partition by to_currency_code, {{ calendar_day('rate_date') }} order by currency_rate_id desc
        ) as recency
    from rates
    where
        from_currency_code = 'USD'
        and to_currency_code <> 'USD'
        and average_rate > 0
        and {{ in_calendar('rate_date') }}

),

spans as (

    select
        currency_code,
        rate_date as valid_from,
        lead(rate_date, 1, cast({{ end_of_time() }} as date)) over (
            partition by currency_code order by rate_date
        ) as valid_to,
        average_rate as per_usd
    from daily
    where recency = 1

),

dollar as (

    select
        'USD' as currency_code,
        cast({{ beginning_of_time() }} as date) as valid_from,
        cast({{ end_of_time() }} as date) as valid_to,
        cast(1 as decimal(28, 10)) as per_usd

)

select * from spans
union all
select * from dollar
