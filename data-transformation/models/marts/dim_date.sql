-- grain: one row per calendar day in the years that the facts touch, and the unknown day
with

date_range as (

    select
        {{ first_day_of('year', 'first_day') }} as first_year,
        last_day
    from {{ ref('int_date_range') }}

),

day_numbers as (

    {{ numbers_to(73050) }}

),

days as (

    select
        {{ plus_days('date_range.first_year', 'cast(day_numbers.generated_number - 1 as integer)') }} as date_day,
        date_range.last_day
    from date_range
    cross join day_numbers

),

days_in_range as (

    select date_day
    from days
    where extract(year from date_day) <= extract(year from last_day)

),

numbered as (

    select
        date_day,
        cast(extract(year from date_day) as integer) as calendar_year,
        cast(extract(quarter from date_day) as integer) as calendar_quarter,
        cast(extract(month from date_day) as integer) as month_number,
        cast({{ iso_week('date_day') }} as integer) as iso_week,
        cast(extract(day from date_day) as integer) as day_of_month,
        cast({{ iso_day_of_week('date_day') }} as integer) as day_of_week,
        -- the fiscal year begins on 1 July and bears the number of the year in which it ends
        cast(extract(year from date_day) as integer)
        + case when extract(month from date_day) >= 7 then 1 else 0 end as fiscal_year,
        mod(cast(extract(month from date_day) as integer) + 5, 12) + 1 as fiscal_month
    from days_in_range

),

-- the weeks of a fiscal year count from its first day; the days after the 52nd belong to it
started as (

    select
        *,
        {{ first_day_of('month', 'date_day') }} as month_start,
        {{ plus_months(first_day_of('month', 'date_day'), '1 - fiscal_month') }} as fiscal_year_start
    from numbered

),

weeks as (

    select
        *,
        cast(least(floor({{ days_between('fiscal_year_start', 'date_day') }} / 7), 51) as integer) as fiscal_week
    from started

),

-- quarters of 13 weeks: months of 4, 4 and 5
quarters as (

    select
        *,
        cast(floor(fiscal_week / 13) as integer) as quarter_445,
        case when mod(fiscal_week, 13) < 4 then 0 when mod(fiscal_week, 13) < 8 then 1 else 2 end as month_445
    from weeks

),

named as (

    select
        {{ date_key('date_day') }} as date_key,
        date_day,
        calendar_year,
        calendar_quarter,
        month_number,
        case month_number
            when 1 then 'January' when 2 then 'February' when 3 then 'March' when 4 then 'April'
            when 5 then 'May' when 6 then 'June' when 7 then 'July' when 8 then 'August'
            when 9 then 'September' when 10 then 'October' when 11 then 'November' when 12 then 'December'
        end as month_name,
        month_start,
        iso_week,
        day_of_month,
        day_of_week,
        case day_of_week
            when 1 then 'Monday' when 2 then 'Tuesday' when 3 then 'Wednesday' when 4 then 'Thursday'
            when 5 then 'Friday' when 6 then 'Saturday' when 7 then 'Sunday'
        end as day_name,
        day_of_week >= 6 as is_weekend,
        cast(fiscal_year as integer) as fiscal_year,
        cast(floor((fiscal_month + 2) / 3) as integer) as fiscal_quarter,
        cast(fiscal_month as integer) as fiscal_month,
        fiscal_year_start,
        {{ first_day_of('quarter', 'date_day') }} as fiscal_quarter_start,
        cast(quarter_445 * 3 + month_445 + 1 as integer) as fiscal_445_month,
        {{ plus_days('fiscal_year_start', 'cast(7 * (quarter_445 * 13 + month_445 * 4) as integer)') }}
            as fiscal_445_month_start
    from quarters

),

unknown_day as (

    select
        -1 as date_key,
        cast(null as date) as date_day,
        cast(null as integer) as calendar_year,
        cast(null as integer) as calendar_quarter,
        cast(null as integer) as month_number,
        'Unknown' as month_name,
        cast(null as date) as month_start,
        cast(null as integer) as iso_week,
        cast(null as integer) as day_of_month,
        cast(null as integer) as day_of_week,
        'Unknown' as day_name,
        cast(null as boolean) as is_weekend,
        cast(null as integer) as fiscal_year,
        cast(null as integer) as fiscal_quarter,
        cast(null as integer) as fiscal_month,
        cast(null as date) as fiscal_year_start,
        cast(null as date) as fiscal_quarter_start,
        cast(null as integer) as fiscal_445_month,
        cast(null as date) as fiscal_445_month_start

)

select * from named
union all
select * from unknown_day
