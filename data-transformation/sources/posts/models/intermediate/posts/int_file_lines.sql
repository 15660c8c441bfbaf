-- grain: one row per line of a file, as the file is now
with

lines as (

    select * from {{ ref('stg_post_lines') }}

),

-- a file that is written again stands for its earlier versions
newest_versions as (

    select
        file_path,
        max(file_modified_at) as file_modified_at
    from lines
    group by file_path

),

lines_of_newest as (

    select lines.*
    from lines
    inner join newest_versions
        on lines.file_path = newest_versions.file_path and lines.file_modified_at = newest_versions.file_modified_at

),

-- of a post that arrived more than once, in one file or in several, the last edit counts
ranked as (

    select
        *,
        row_number() over (
            partition by post_id, is_post
            order by coalesce(edited_at, posted_at) desc, file_modified_at desc, file_path desc, line_id desc
        ) as version_rank
    from lines_of_newest

),

final as (

    select
        line_id,
        file_path,
        post_id,
        channel,
        post_text,
        text_hash,
        posted_at,
        edited_at,
        is_post,
        is_post and version_rank = 1 as is_newest_version,
        file_modified_at,
        extracted_at
    from ranked

)

select * from final
