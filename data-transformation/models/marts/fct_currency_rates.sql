-- grain: one row per currency and day: what one US dollar was worth in it
with

rates as (

    select * from {{ ref('stg_currency_rates') }}

),

currencies as (

    select * from {{ ref('dim_currency') }}

),

final as (

    select
        {{ surrogate_key(['rates.currency_rate_id']) }} as currency_rate_key,
        {{ key_or_unknown('from_currencies.currency_key') }} as from_currency_key,
        {{ key_or_unknown('to_currencies.currency_key') }} as to_currency_key,
        {{ date_key('rates.rate_date') }} as rate_date_key,
        rates.average_rate,
        rates.end_of_day_rate
    from rates
    left join currencies as from_currencies on rates.from_currency_code = from_currencies.currency_code
    left join currencies as to_currencies on rates.to_currency_code = to_currencies.currency_code

)

select * from final
