-- grain: one row per text of a post
with

source as (

    select * from {{ raw_post_sentiment() }}

),

renamed as (

    select
        -- ids
        text_hash,

        -- numbers
        cast(sentiment_score as decimal(5, 4)) as sentiment_score,

        -- text
        scorer
    from source

)

select * from renamed
