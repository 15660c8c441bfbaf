-- grain: one row per keyword and week (from Monday on) in which a post mentions it
with

dates as (

    select
        date_key,
        {{ plus_days('date_day', 'cast(1 - day_of_week as integer)') }} as week_start
    from {{ ref('dim_date') }}
    where date_day is not null

),

mentions as (

    select
        mentions.keyword_key,
        mentions.sentiment,
        mentions.sentiment_score,
        dates.week_start
    from {{ ref('fct_post_keywords') }} as mentions
    inner join dates on mentions.posted_date_key = dates.date_key

),

all_posts as (

    select
        dates.week_start,
        count(*) as post_count
    from {{ ref('fct_posts') }} as posts
    inner join dates on posts.posted_date_key = dates.date_key
    group by dates.week_start

),

keywords as (

    select * from {{ ref('dim_keyword') }}

),

counted as (

    select
        keyword_key,
        week_start,
        count(*) as post_count,
        sum(case when sentiment = 'Positive' then 1 else 0 end) as positive_count,
        sum(case when sentiment = 'Neutral' then 1 else 0 end) as neutral_count,
        sum(case when sentiment = 'Negative' then 1 else 0 end) as negative_count,
        sum(sentiment_score) as sentiment_sum
    from mentions
    group by keyword_key, week_start

),

final as (

    select
        {{ surrogate_key(['counted.keyword_key', date_key('counted.week_start')]) }} as keyword_week_key,
        counted.week_start,
        keywords.keyword,
        keywords.keyword_kind,
        cast(counted.post_count as integer) as post_count,
        cast(all_posts.post_count as integer) as all_post_count,
        cast(counted.positive_count as integer) as positive_count,
        cast(counted.neutral_count as integer) as neutral_count,
        cast(counted.negative_count as integer) as negative_count,
        cast(counted.sentiment_sum as decimal(18, 4)) as sentiment_sum
    from counted
    inner join keywords on counted.keyword_key = keywords.keyword_key
    inner join all_posts on counted.week_start = all_posts.week_start

)

select * from final
