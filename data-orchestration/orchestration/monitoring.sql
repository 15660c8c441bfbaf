-- What is remembered of the pipeline, in monitoring.duckdb: tables as their origins tell them, and the marts over them.
-- Written after every run by `orchestration.monitoring`; all moments are UTC, all durations seconds.

-- grain: one row per run of a DAG (origin: Airflow)
create table if not exists pipeline_runs (
    dag_id varchar,
    run_id varchar,
    run_type varchar, -- scheduled, manual, asset_triggered
    state varchar, -- queued, running, success, failed
    run_after timestamptz,
    queued_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    seconds double, -- from start to end
    conf json, -- the parameters it was triggered with
    sync_job_id bigint, -- the job of its task `sync`
    recorded_at timestamptz,
    unchanged_version bigint, -- the published version that it found right still
    primary key (dag_id, run_id)
);
alter table pipeline_runs add column if not exists unchanged_version bigint; -- to a file of an older version

-- grain: one row per try of a task in a run (origin: Airflow)
create table if not exists pipeline_tasks (
    dag_id varchar,
    run_id varchar,
    task_id varchar,
    map_index integer, -- -1: not mapped
    try_number integer, -- 0: it never started
    state varchar,
    operator varchar,
    pool varchar,
    queued_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    seconds double,
    is_last_try boolean,
    primary key (dag_id, run_id, task_id, map_index, try_number)
);

-- grain: one row per job (origin: Airbyte)
create table if not exists sync_jobs (
    job_id bigint primary key,
    connection varchar,
    job_type varchar, -- sync, refresh, clear, reset
    status varchar, -- succeeded, failed, cancelled; running, pending while it is not over
    started_at timestamptz,
    ended_at timestamptz,
    seconds double,
    rows bigint,
    bytes bigint,
    reason varchar -- why it failed
);

-- grain: one row per job and stream (origin: Airbyte; a real Airbyte's public API does not tell it)
create table if not exists sync_streams (
    job_id bigint,
    stream varchar, -- schema.table
    status varchar,
    rows bigint,
    bytes bigint,
    seconds double,
    reason varchar,
    primary key (job_id, stream)
);

-- grain: one row per node of a dbt invocation (origin: run_results.json)
create table if not exists dbt_results (
    invocation_id varchar,
    dag_id varchar, -- null: not run by Airflow
    run_id varchar,
    command varchar, -- build, source freshness
    unique_id varchar,
    resource_type varchar, -- model, test, snapshot, seed, source
    name varchar,
    model varchar, -- of a test: the model that it belongs to
    status varchar, -- success, error, skipped; pass, warn, fail
    started_at timestamptz,
    ended_at timestamptz,
    seconds double,
    failures bigint, -- of a test: rows that failed
    message varchar,
    primary key (invocation_id, unique_id)
);

-- grain: one row per published version and table (origin: the publisher)
create table if not exists published_tables (
    version bigint,
    run_id varchar,
    published_at timestamptz,
    table_name varchar,
    rows bigint,
    primary key (version, table_name)
);

-- grain: one row per day (UTC) whose digest was sent
create table if not exists digests (day date primary key, sent_at timestamptz);

-- grain: one row per look at the streaming lane and topic (origin: Kafka, where ELT_SOURCES has stream)
create table if not exists lane_topics (
    looked_at timestamptz,
    topic varchar,
    events bigint, -- offsets that were ever given
    behind bigint, -- messages that the reader which is furthest behind has not taken yet; null: nobody reads it
    primary key (looked_at, topic)
);

-- grain: one row per run of a DAG, with what it did and where its time went
create or replace view mart_pipeline_runs as
with
tasks as (
    select
        dag_id,
        run_id,
        sum(seconds) filter (where task_id = 'sync') as sync_seconds,
        sum(seconds) filter (where task_id = 'reconcile') as reconcile_seconds,
        sum(seconds) filter (where task_id = 'dbt.dbt_producer_watcher') as dbt_seconds,
        sum(seconds) filter (where task_id = 'publish') as publish_seconds,
        count(*) filter (where is_last_try and state = 'success') as tasks_succeeded,
        count(*) filter (where is_last_try and state = 'failed') as tasks_failed,
        count(*) filter (where not is_last_try) as retries,
        -- a task that only watches dbt build fails with it, often before it
        coalesce(
            arg_min(task_id, ended_at) filter (
                where is_last_try and state = 'failed' and operator is distinct from 'DbtNodesSensor'
            ),
            arg_min(task_id, ended_at) filter (where is_last_try and state = 'failed')
        ) as first_failed_task
    from pipeline_tasks
    group by all
),
dbt as (
    select
        dag_id,
        run_id,
        count(*) filter (where resource_type = 'model' and status = 'success') as models_built,
        count(*) filter (where resource_type = 'test' and status = 'pass') as tests_passed,
        count(*) filter (where resource_type = 'test' and status = 'warn') as tests_warned,
        count(*) filter (where resource_type = 'test' and status in ('fail', 'error')) as tests_failed,
        -- what dbt skipped is a consequence
        arg_min(name, ended_at) filter (where status in ('fail', 'error')) as first_failed_node
    from dbt_results
    where command = 'build'
    group by all
),
published as (
    select run_id, max(version) as version, max(published_at) as published_at, sum(rows) as rows_published
    from published_tables
    group by all
)
select
    runs.dag_id,
    runs.run_id,
    runs.run_type,
    runs.state,
    runs.started_at,
    runs.ended_at,
    runs.seconds,
    date_diff('millisecond', runs.queued_at, runs.started_at) / 1000 as queued_seconds,
    tasks.sync_seconds,
    tasks.reconcile_seconds,
    tasks.dbt_seconds,
    tasks.publish_seconds,
    tasks.tasks_succeeded,
    tasks.tasks_failed,
    tasks.retries,
    tasks.first_failed_task,
    dbt.first_failed_node, -- the model or test in which the task that builds failed
    runs.sync_job_id,
    jobs.rows as rows_synced,
    jobs.bytes as bytes_synced,
    dbt.models_built,
    dbt.tests_passed,
    dbt.tests_warned,
    dbt.tests_failed,
    published.version,
    published.published_at,
    published.rows_published
from pipeline_runs as runs
left join tasks on runs.dag_id = tasks.dag_id and runs.run_id = tasks.run_id
left join dbt on runs.dag_id = dbt.dag_id and runs.run_id = dbt.run_id
left join sync_jobs as jobs on runs.sync_job_id = jobs.job_id
left join published on runs.run_id = published.run_id and runs.dag_id = 'adventureworks_elt';

-- grain: one row per DAG: how it is now, and how it was in the last day and week
create or replace view mart_pipeline_status as
with
ended as (
    select *
    from pipeline_runs
    where state in ('success', 'failed')
)
select
    dag_id,
    arg_max(state, ended_at) as last_state,
    arg_max(run_id, ended_at) as last_run_id,
    max(ended_at) as last_ended_at,
    max(ended_at) filter (where state = 'success') as last_success_at,
    date_diff('second', max(ended_at) filter (where state = 'success'), now()) as seconds_since_success,
    count(*) filter (where ended_at > now() - interval 1 day) as runs_1_day,
    count(*) filter (where ended_at > now() - interval 1 day and state = 'failed') as failed_1_day,
    count(*) filter (where ended_at > now() - interval 7 day) as runs_7_days,
    count(*) filter (where ended_at > now() - interval 7 day and state = 'failed') as failed_7_days
from ended
group by dag_id;

-- grain: one row per DAG, day and task (null: the whole run): the trend of durations
create or replace view mart_durations_daily as
with
ended as (
    select dag_id, cast(started_at as date) as day, null as task_id, seconds
    from pipeline_runs
    where state = 'success'
    union all
    select dag_id, cast(started_at as date), task_id, seconds
    from pipeline_tasks
    where state = 'success'
)
select
    dag_id,
    day,
    task_id,
    count(*) as times,
    median(seconds) as median_seconds,
    quantile_cont(seconds, 0.95) as p95_seconds,
    max(seconds) as longest_seconds
from ended
where seconds is not null
group by all;

-- grain: one row per day and stream: what the syncs brought
create or replace view mart_rows_daily as
select
    cast(jobs.started_at as date) as day,
    streams.stream,
    count(*) as syncs,
    sum(streams.rows) as rows_synced,
    sum(streams.bytes) as bytes_synced,
    sum(streams.seconds) as seconds
from sync_streams as streams
inner join sync_jobs as jobs on streams.job_id = jobs.job_id
where jobs.status = 'succeeded'
group by all;

-- grain: one row per test that failed or warned, or model that broke, and dbt invocation
create or replace view mart_test_failures as
select
    dag_id,
    run_id,
    invocation_id,
    ended_at,
    resource_type,
    name,
    model,
    status,
    failures as failed_rows,
    message,
    count(*) over (partition by unique_id order by ended_at) as times_so_far,
    min(ended_at) over (partition by unique_id) as first_at
from dbt_results
where status in ('fail', 'warn', 'error', 'runtime error');

-- grain: one row per published version: how old its data was when it was shown, and when the next one replaced it
create or replace view mart_freshness as
with
versions as (
    select version, run_id, max(published_at) as published_at, sum(rows) as rows
    from published_tables
    group by all
),
found_right as (
    select runs.unchanged_version as version, max(jobs.started_at) as started_at
    from pipeline_runs as runs
    inner join sync_jobs as jobs on runs.sync_job_id = jobs.job_id
    where runs.state = 'success'
    group by all
)
select
    versions.version,
    versions.run_id,
    versions.rows,
    -- what the source had committed by then is in it: when it was built, or a later run found that nothing had changed
    coalesce(found_right.started_at, jobs.started_at) as data_as_of,
    versions.published_at,
    date_diff('millisecond', jobs.started_at, versions.published_at) / 1000 as lag_seconds,
    date_diff(
        'millisecond', coalesce(found_right.started_at, jobs.started_at),
        coalesce(lead(versions.published_at) over (order by versions.version), now())
    ) / 1000 as greatest_age_seconds
from versions
left join pipeline_runs as runs on versions.run_id = runs.run_id and runs.dag_id = 'adventureworks_elt'
left join sync_jobs as jobs on runs.sync_job_id = jobs.job_id
left join found_right on versions.version = found_right.version;
