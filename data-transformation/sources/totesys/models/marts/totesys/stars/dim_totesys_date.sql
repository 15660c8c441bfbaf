-- grain: one row per calendar day of dim_date
with

dates as (

    select * from {{ ref('dim_date') }}

),

final as (

    select
        date_day as date_id,
        calendar_year as year, -- noqa: RF04
        month_number as month, -- noqa: RF04
        day_of_month as day, -- noqa: RF04
        day_of_week,
        day_name,
        month_name,
        calendar_quarter as quarter -- noqa: RF04
    from dates
    where date_day is not null

)

select * from final
