-- grain: one row per post and keyword that it mentions
with

mentions as (

    select * from {{ ref('int_post_keywords') }}

),

posts as (

    select * from {{ ref('fct_posts') }}

),

keywords as (

    select * from {{ ref('dim_keyword') }}

),

final as (

    select
        {{ surrogate_key(['posts.post_key', 'keywords.keyword_key']) }} as post_keyword_key,
        posts.post_key,
        keywords.keyword_key,
        posts.posted_date_key,
        posts.sentiment_score,
        posts.sentiment
    from mentions
    inner join posts on mentions.post_id = posts.post_id
    inner join keywords on mentions.keyword = keywords.keyword

)

select * from final
