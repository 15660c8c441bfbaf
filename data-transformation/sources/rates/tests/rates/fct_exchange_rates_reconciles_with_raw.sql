-- Every published rate of the base that is read now is a row of its own day, to the last digit.
with

published as (

    select * from {{ ref('stg_exchange_rates') }}
    where rate > 0

),

newest as (

    select max(extracted_at) as extracted_at from published

),

bases as (

    select distinct published.base_currency_code
    from published
    inner join newest on published.extracted_at = newest.extracted_at

)

select
    published.currency_code,
    published.rate_date,
    published.rate as published_rate,
    facts.rate
from published
inner join bases on published.base_currency_code = bases.base_currency_code
left join {{ ref('fct_exchange_rates') }} as facts
    on
        published.base_currency_code = facts.from_currency_code
        and published.currency_code = facts.to_currency_code
        and published.rate_date = facts.rate_date
where facts.rate is null or facts.rate <> published.rate or facts.is_carried
