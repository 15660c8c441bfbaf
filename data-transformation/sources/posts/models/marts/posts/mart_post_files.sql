-- grain: one row per file of posts, as it is now
with

lines as (

    select * from {{ ref('int_file_lines') }}

),

counted as (

    select
        file_path,
        max(file_modified_at) as file_modified_at,
        count(*) as line_count,
        sum(case when is_newest_version then 1 else 0 end) as post_count,
        sum(case when is_post and not is_newest_version then 1 else 0 end) as superseded_line_count,
        sum(case when is_post then 0 else 1 end) as malformed_line_count,
        max(extracted_at) as extracted_at
    from lines
    group by file_path

),

final as (

    select
        {{ surrogate_key(['file_path']) }} as file_key,
        file_path,
        file_modified_at,
        cast(line_count as integer) as line_count,
        cast(post_count as integer) as post_count,
        cast(superseded_line_count as integer) as superseded_line_count,
        cast(malformed_line_count as integer) as malformed_line_count,
        extracted_at
    from counted

)

select * from final
