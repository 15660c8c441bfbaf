-- Posts in Snowflake by stage and pipe instead of Airbyte (docs/optional-sources.md): the same table RAW.POSTS.POSTS, and the staging models
-- read it. Written after Snowflake's documentation and never run: no part of `elt snowflake bootstrap`. Replace what is in angle brackets.
use role ACCOUNTADMIN;
create storage integration if not exists POSTS
    type = external_stage storage_provider = 'S3' enabled = true
    storage_aws_role_arn = '<role that may read the bucket>'
    storage_allowed_locations = ('s3://<bucket>/<folder>/drops/posts/');
grant usage on integration POSTS to role LOADER${SUFFIX};

use role LOADER${SUFFIX};
use database RAW${SUFFIX};
create schema if not exists POSTS;

-- a line is one text, whatever is in it: dbt parses it, and counts those that are no posts
create file format if not exists POSTS.LINES
    type = csv field_delimiter = none record_delimiter = '\n' skip_header = 0
    field_optionally_enclosed_by = none escape = none escape_unenclosed_field = none;
create stage if not exists POSTS.DROPS
    url = 's3://<bucket>/<folder>/drops/posts/' storage_integration = POSTS file_format = POSTS.LINES;
create table if not exists POSTS.POSTS (
    line varchar,
    _ab_source_file_url varchar,
    _ab_source_file_last_modified varchar,
    _airbyte_raw_id varchar,
    _airbyte_extracted_at timestamp_tz,
    _airbyte_meta variant,
    _airbyte_generation_id number(38, 0)
);

-- a pipe does not read a file again that has changed: each drop has to be a file of its own, as those of `elt posts drop` are
create pipe if not exists POSTS.POSTS auto_ingest = true as
    copy into POSTS.POSTS
    from (
        select
            $1,
            metadata$filename,
            to_varchar(metadata$file_last_modified, 'YYYY-MM-DD"T"HH24:MI:SS.FF6"Z"'),
            uuid_string(),
            metadata$start_scan_time,
            null,
            0
        from @POSTS.DROPS
    )
    on_error = skip_file;
-- show pipes like 'POSTS' in schema POSTS;     its notification_channel is the queue that the bucket notifies
-- alter pipe POSTS.POSTS refresh;              files that were there before the pipe

-- freshness is what has been loaded, not what the clock says: an empty file, or one that was skipped, is no load
create or replace view POSTS.LAST_LOADS as
    select
        file_name,
        status,
        row_count,
        error_count,
        first_error_message,
        last_load_time
    from table(
        information_schema.copy_history(
            table_name => 'RAW${SUFFIX}.POSTS.POSTS', start_time => dateadd(day, -14, current_timestamp())
        )
    );
create or replace alert POSTS.STALE
    warehouse = LOADING${SUFFIX} schedule = '60 minute'
    if (
        exists (
            select 1 as is_stale
            from POSTS.LAST_LOADS
            having coalesce(max(case when row_count > 0 then last_load_time end), '1970-01-01')
                < dateadd(day, -2, current_timestamp())
        )
    )
    then call system$send_email(
        '<notification integration>', '<address>', 'Posts are stale', 'No file of posts was loaded for two days: see RAW.POSTS.LAST_LOADS'
    );
alter alert POSTS.STALE resume;

-- the scores: `elt posts score` writes them with dbt's role
use role SECURITYADMIN;
create schema if not exists RAW${SUFFIX}.POST_SCORES;
grant ownership on schema RAW${SUFFIX}.POST_SCORES to role TRANSFORMER${SUFFIX};
