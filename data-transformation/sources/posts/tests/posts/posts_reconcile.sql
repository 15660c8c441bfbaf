-- Each line of each file is counted once, each post is one row, and weeks and keywords have every mention.
with

counted as (

    select
        'lines of files' as what,
        (select count(*) from {{ ref('int_file_lines') }}) as expected,
        (
            select coalesce(sum(files.post_count + files.superseded_line_count + files.malformed_line_count), 0)
            from {{ ref('mart_post_files') }} as files
        ) as found
    union all
    select
        'posts' as what,
        (
            select count(distinct file_lines.post_id)
            from {{ ref('int_file_lines') }} as file_lines
            where file_lines.is_post
        ) as expected,
        (select count(*) from {{ ref('fct_posts') }}) as found
    union all
    select
        'mentions of posts' as what,
        (select count(*) from {{ ref('int_post_keywords') }}) as expected,
        (select coalesce(sum(posts.keyword_count), 0) from {{ ref('fct_posts') }} as posts) as found
    union all
    select
        'mentions in weeks' as what,
        (select count(*) from {{ ref('fct_post_keywords') }}) as expected,
        (select coalesce(sum(weeks.post_count), 0) from {{ ref('mart_keyword_weeks') }} as weeks) as found
    union all
    select
        'mentions of keywords' as what,
        (select count(*) from {{ ref('int_post_keywords') }}) as expected,
        (select coalesce(sum(mart.post_count), 0) from {{ ref('mart_keywords') }} as mart) as found

)

select *
from counted
where expected <> found
