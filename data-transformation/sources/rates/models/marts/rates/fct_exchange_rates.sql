-- grain: one row per pair of currencies and calendar day, weekends included: what one unit was worth in the other
{%- set longest_carry = 10 %}
with

published as (

    select * from {{ ref('stg_exchange_rates') }}

),

dates as (

    select * from {{ ref('dim_date') }}

),

currencies as (

    select * from {{ ref('dim_currency') }}

),

-- where the connection's base was changed: the one that is read now
current_base as (

    select base_currency_code
    from published
    group by base_currency_code
    order by max(extracted_at) desc, max(rate_date) desc, base_currency_code
    limit 1

),

in_base as (

    select
        published.base_currency_code,
        published.currency_code,
        published.rate_date,
        published.rate
    from published
    inner join current_base on published.base_currency_code = current_base.base_currency_code
    where published.rate > 0 and published.currency_code <> published.base_currency_code

),

-- the base itself, on every day that has rates
with_base as (

    select
        base_currency_code,
        currency_code,
        rate_date,
        rate
    from in_base
    union all
    select distinct
        base_currency_code,
        base_currency_code as currency_code,
        rate_date,
        cast(1 as decimal(28, 10)) as rate
    from in_base

),

-- the days until the next rate
validity as (

    select
        *,
        lead(rate_date) over (partition by currency_code order by rate_date) as next_rate_date
    from with_base

),

-- a rate holds until the next one, ten days at most, and not into the future
daily as (

    select
        validity.base_currency_code,
        validity.currency_code,
        validity.rate,
        validity.rate_date as published_date,
        dates.date_key,
        dates.date_day
    from validity
    inner join dates
        on
            validity.rate_date <= dates.date_day
            and dates.date_day <= {{ plus_days('validity.rate_date', longest_carry) }}
            and (validity.next_rate_date is null or validity.next_rate_date > dates.date_day)
            and (dates.date_day <= {{ build_day() }} or validity.rate_date = dates.date_day)

),

pairs as (

    select
        from_rates.currency_code as from_currency_code,
        to_rates.currency_code as to_currency_code,
        from_rates.date_key,
        from_rates.date_day,
        least(from_rates.published_date, to_rates.published_date) as published_date,
        case
            when from_rates.currency_code = to_rates.currency_code then cast(1 as decimal(28, 10))
            when from_rates.currency_code = from_rates.base_currency_code then to_rates.rate
            else {{ cross_rate('to_rates.rate', 'from_rates.rate') }}
        end as rate
    from daily as from_rates
    inner join daily as to_rates on from_rates.date_key = to_rates.date_key

),

final as (

    select
        {{ surrogate_key(['pairs.from_currency_code', 'pairs.to_currency_code', 'pairs.date_key']) }}
            as exchange_rate_key,
        {{ key_or_unknown('from_currencies.currency_key') }} as from_currency_key,
        {{ key_or_unknown('to_currencies.currency_key') }} as to_currency_key,
        pairs.date_key as rate_date_key,
        pairs.from_currency_code,
        pairs.to_currency_code,
        pairs.date_day as rate_date,
        pairs.rate,
        pairs.published_date,
        {{ days_between('pairs.published_date', 'pairs.date_day') }} as days_carried,
        pairs.published_date < pairs.date_day as is_carried
    from pairs
    left join currencies as from_currencies on pairs.from_currency_code = from_currencies.currency_code
    left join currencies as to_currencies on pairs.to_currency_code = to_currencies.currency_code

)

select * from final
