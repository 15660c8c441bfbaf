-- Exchange rates and their sums equal the raw layer's.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum({{ amount('averagerate') }}), 0) as average_rate,
        coalesce(sum({{ amount('endofdayrate') }}), 0) as end_of_day_rate
    from {{ source('adventureworks_sales', 'currencyrate') }}
    where {{ not_deleted(source('adventureworks_sales', 'currencyrate')) }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(average_rate), 0) as average_rate,
        coalesce(sum(end_of_day_rate), 0) as end_of_day_rate
    from {{ ref('fct_currency_rates') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'average_rate', 'end_of_day_rate']) }}
