-- grain: one row per line of a file, for each version of the file that was read
with

source as (

    select * from {{ raw_posts() }}

),

parsed as (

    select
        *,
        {{ json_or_null('line') }} as record
    from source

),

renamed as (

    select
        -- ids
        cast(_airbyte_raw_id as varchar) as line_id,
        _ab_source_file_url as file_path,
        nullif({{ json_text('record', 'post_id') }}, '') as post_id,

        -- text
        {{ json_text('record', 'channel') }} as channel,
        nullif({{ json_text('record', 'text') }}, '') as post_text,

        -- timestamps
        {{ utc_moment(json_text('record', 'posted_at')) }} as stated_at,
        {{ utc_moment(json_text('record', 'edited_at')) }} as stated_edit_at,
        _ab_source_file_last_modified as file_modified_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from parsed

),

-- who dates a post or an edit later than the day after its arrival has not said when it was written
dated as (

    select
        *,
        case
            when {{ in_calendar('stated_at') }} and stated_at < {{ plus_days('cast(extracted_at as date)', 2) }}
                then stated_at
        end as posted_at,
        case
            when
                {{ in_calendar('stated_edit_at') }}
                and stated_edit_at < {{ plus_days('cast(extracted_at as date)', 2) }}
                then stated_edit_at
        end as edited_at
    from renamed

),

judged as (

    select
        line_id,
        file_path,
        post_id,
        channel,
        post_text,
        md5(post_text) as text_hash,
        posted_at,
        edited_at,
        post_id is not null and post_text is not null and posted_at is not null as is_post,
        file_modified_at,
        extracted_at
    from dated

)

select * from judged
