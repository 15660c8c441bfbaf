-- grain: one row per repository and week (from Monday on) in which something happened
with

repositories as (

    select * from {{ ref('dim_repository') }}

),

dates as (

    select
        date_key,
        {{ plus_days('date_day', 'cast(1 - day_of_week as integer)') }} as week_start
    from {{ ref('dim_date') }}
    where date_day is not null

),

events as (

    select
        repository_key,
        written_date_key as date_key,
        contributor_key,
        1 as commit_count,
        0 as star_count,
        0 as release_count
    from {{ ref('fct_commits') }}
    union all
    select
        repository_key,
        starred_date_key as date_key,
        cast(null as varchar) as contributor_key,
        0 as commit_count,
        1 as star_count,
        0 as release_count
    from {{ ref('fct_stars') }}
    union all
    select
        repository_key,
        published_date_key as date_key,
        cast(null as varchar) as contributor_key,
        0 as commit_count,
        0 as star_count,
        1 as release_count
    from {{ ref('fct_releases') }}

),

weeks as (

    select
        events.repository_key,
        dates.week_start,
        sum(events.commit_count) as commit_count,
        count(distinct events.contributor_key) as contributor_count,
        sum(events.star_count) as star_count,
        sum(events.release_count) as release_count
    from events
    inner join dates on events.date_key = dates.date_key
    group by events.repository_key, dates.week_start

),

final as (

    select
        {{ surrogate_key(['weeks.repository_key', date_key('weeks.week_start')]) }} as repository_week_key,
        weeks.week_start,
        repositories.repository_name,
        repositories.main_language,
        cast(weeks.commit_count as integer) as commit_count,
        cast(weeks.contributor_count as integer) as contributor_count,
        cast(weeks.star_count as integer) as star_count,
        cast(weeks.release_count as integer) as release_count
    from weeks
    inner join repositories on weeks.repository_key = repositories.repository_key

)

select * from final
