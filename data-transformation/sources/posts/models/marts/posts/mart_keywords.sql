-- grain: one row per keyword that some post mentions
with

mentions as (

    select * from {{ ref('fct_post_keywords') }}

),

keywords as (

    select * from {{ ref('dim_keyword') }}

),

dates as (

    select * from {{ ref('dim_date') }}
    where date_day is not null

),

dated as (

    select
        mentions.keyword_key,
        mentions.sentiment,
        mentions.sentiment_score,
        dates.date_day
    from mentions
    inner join dates on mentions.posted_date_key = dates.date_key

),

newest as (

    select max(date_day) as newest_day from dated

),

-- 0 on the day of the newest mention
aged as (

    select
        dated.*,
        {{ days_between('dated.date_day', 'newest.newest_day') }} as age_in_days
    from dated
    cross join newest

),

counted as (

    select
        keyword_key,
        min(date_day) as first_mentioned_on,
        max(date_day) as last_mentioned_on,
        count(*) as post_count,
        sum(case when age_in_days < 28 then 1 else 0 end) as last_28_days_count,
        sum(case when age_in_days between 28 and 55 then 1 else 0 end) as days_before_count,
        sum(case when sentiment = 'Positive' then 1 else 0 end) as positive_count,
        sum(case when sentiment = 'Negative' then 1 else 0 end) as negative_count,
        sum(sentiment_score) as sentiment_sum,
        count(sentiment_score) as scored_count
    from aged
    group by keyword_key

),

final as (

    select
        counted.keyword_key,
        keywords.keyword,
        keywords.keyword_kind,
        counted.first_mentioned_on,
        counted.last_mentioned_on,
        cast(counted.post_count as integer) as post_count,
        cast(counted.last_28_days_count as integer) as last_28_days_count,
        cast(counted.days_before_count as integer) as days_before_count,
        cast(counted.positive_count as integer) as positive_count,
        cast(counted.negative_count as integer) as negative_count,
        {{ divide('counted.sentiment_sum', 'counted.scored_count') }} as sentiment_score
    from counted
    inner join keywords on counted.keyword_key = keywords.keyword_key

)

select * from final
