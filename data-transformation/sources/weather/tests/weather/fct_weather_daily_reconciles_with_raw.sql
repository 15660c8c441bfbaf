-- Every measured city and day is a row of the fact, with its values to the last digit, and no other is measured.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum(temperature_max), 0) as temperature_max,
        coalesce(sum(precipitation), 0) as precipitation
    from {{ ref('stg_weather_observations') }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(temperature_max), 0) as temperature_max,
        coalesce(sum(precipitation), 0) as precipitation
    from {{ ref('fct_weather_daily') }}
    where not is_forecast

)

select fact_rows.*
from raw_rows
cross join fact_rows
where {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'temperature_max', 'precipitation']) }}
