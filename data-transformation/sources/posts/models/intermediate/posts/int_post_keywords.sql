-- grain: one row per post and keyword that it mentions
with

posts as (

    select
        post_id,
        {{ words_of('post_text') }} as words
    from {{ ref('int_file_lines') }}
    where is_newest_version

),

keywords as (

    select
        keyword,
        phrase,
        coalesce(unless_in, '') as unless_in
    from {{ ref('post_keywords') }}

),

mentions as (

    select distinct
        posts.post_id,
        keywords.keyword
    from posts
    inner join keywords
        on replace(posts.words, ' ' || keywords.unless_in || ' ', ' ') like '% ' || keywords.phrase || ' %'

)

select * from mentions
