-- grain: one row per repository and person who has contributed to it
with

commits as (

    select * from {{ ref('fct_commits') }}

),

repositories as (

    select * from {{ ref('dim_repository') }}

),

contributors as (

    select * from {{ ref('dim_contributor') }}

),

counted as (

    select
        repository_key,
        contributor_key,
        count(*) as commit_count,
        min(written_at) as first_commit_at,
        max(written_at) as last_commit_at
    from commits
    group by repository_key, contributor_key

),

-- all who have no account are one row, which is nobody's: it has no rank
ranked as (

    select
        *,
        case when is_person then row_number() over (
            partition by repository_key, is_person order by commit_count desc, contributor_key asc
        ) end as commit_rank,
        sum(case when is_person then 1 else 0 end) over (partition by repository_key) as contributor_count,
        sum(commit_count) over (partition by repository_key) as repository_commit_count
    from (
        select
            *,
            contributor_key <> {{ unknown_key() }} as is_person
        from counted
    ) as people

),

-- the busiest tenth, one person at least
grouped as (

    select
        *,
        is_person and commit_rank <= ceil(contributor_count / 10.0) as is_in_busiest_tenth
    from ranked

),

final as (

    select
        {{ surrogate_key(['grouped.repository_key', 'grouped.contributor_key']) }} as repository_contributor_key,
        repositories.repository_name,
        repositories.main_language,
        contributors.contributor_login,
        cast(grouped.commit_count as integer) as commit_count,
        cast(grouped.commit_rank as integer) as commit_rank,
        grouped.is_in_busiest_tenth,
        {{ divide('grouped.commit_count', 'grouped.repository_commit_count', 6) }} as commit_share,
        grouped.first_commit_at,
        grouped.last_commit_at
    from grouped
    inner join repositories on grouped.repository_key = repositories.repository_key
    inner join contributors on grouped.contributor_key = contributors.contributor_key

)

select * from final
