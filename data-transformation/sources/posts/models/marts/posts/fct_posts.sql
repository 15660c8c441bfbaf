-- grain: one row per post, as it was last edited
with

posts as (

    select * from {{ ref('int_file_lines') }}
    where is_newest_version

),

sentiments as (

    select * from {{ ref('stg_post_sentiment') }}

),

edits as (

    select
        post_id,
        count(distinct edited_at) as edit_count
    from {{ ref('int_file_lines') }}
    where is_post
    group by post_id

),

mentions as (

    select
        post_id,
        count(*) as keyword_count
    from {{ ref('int_post_keywords') }}
    group by post_id

),

final as (

    select
        {{ surrogate_key(['posts.post_id']) }} as post_key,
        posts.post_id,
        {{ date_key('posts.posted_at') }} as posted_date_key,
        posts.posted_at,
        posts.edited_at,
        cast(edits.edit_count as integer) as edit_count,
        coalesce(posts.channel, 'Unknown') as channel,
        posts.post_text,
        cast(coalesce(mentions.keyword_count, 0) as integer) as keyword_count,
        sentiments.sentiment_score,
        case
            when sentiments.sentiment_score >= 0.05 then 'Positive'
            when sentiments.sentiment_score <= -0.05 then 'Negative'
            when sentiments.sentiment_score is not null then 'Neutral'
            else 'Unknown'
        end as sentiment,
        posts.extracted_at
    from posts
    inner join edits on posts.post_id = edits.post_id
    left join sentiments on posts.text_hash = sentiments.text_hash
    left join mentions on posts.post_id = mentions.post_id

)

select * from final
