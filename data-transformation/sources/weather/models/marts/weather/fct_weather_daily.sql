-- grain: one row per city and day: what was measured, or else what is forecast
with

observations as (

    select * from {{ ref('stg_weather_observations') }}

),

forecasts as (

    select * from {{ ref('stg_weather_forecasts') }}

),

expected as (

    select forecasts.*
    from forecasts
    left join observations
        on
            forecasts.country_code = observations.country_code
            and forecasts.state_code = observations.state_code
            and forecasts.city = observations.city
            and forecasts.weather_date = observations.weather_date
    where observations.city is null

),

days as (

    select
        *,
        false as is_forecast
    from observations
    union all
    select
        *,
        true as is_forecast
    from expected

),

final as (

    select
        {{ surrogate_key([key_text('city'), key_text('state_code'), 'country_code', date_key('weather_date')]) }}
            as weather_key,
        {{ date_key('weather_date') }} as weather_date_key,
        city,
        state_code,
        country_code,
        weather_date,
        is_forecast,
        temperature_max,
        temperature_min,
        precipitation,
        wind_max,
        case
            when temperature_max is null then 'Unknown'
            when temperature_max < 5 then 'Cold'
            when temperature_max < 18 then 'Mild'
            when temperature_max < 28 then 'Warm'
            else 'Hot'
        end as temperature_band,
        case
            when precipitation is null then 'Unknown'
            when precipitation = 0 then 'Dry'
            when precipitation < 5 then 'Light rain'
            else 'Heavy rain'
        end as rain_band,
        known_at,
        extracted_at
    from days

)

select * from final
