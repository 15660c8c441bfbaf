-- grain: one row per city and day of the newest forecasts
with

source as (

    select * from {{ raw_weather('forecasts', 'issued_at') }}

),

renamed as (

    select
        -- text
        city,
        region as state_code,
        country as country_code,

        -- numerics
        {{ amount('temperature_max', decimals=1, digits=9) }} as temperature_max,
        {{ amount('temperature_min', decimals=1, digits=9) }} as temperature_min,
        {{ amount('precipitation', decimals=1, digits=9) }} as precipitation,
        {{ amount('wind_max', decimals=1, digits=9) }} as wind_max,

        -- timestamps
        {{ reserved_column('date') }} as weather_date,
        cast(issued_at as timestamp) as known_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source

)

select * from renamed
