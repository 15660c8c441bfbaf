-- grain: one row per commit of a main branch
with

commits as (

    select * from {{ ref('stg_github_commits') }}

),

repositories as (

    select * from {{ ref('dim_repository') }}

),

contributors as (

    select * from {{ ref('dim_contributor') }}

),

final as (

    select
        {{ surrogate_key(['commits.commit_id']) }} as commit_key,
        commits.commit_id,
        {{ key_or_unknown('repositories.repository_key') }} as repository_key,
        {{ key_or_unknown('contributors.contributor_key') }} as contributor_key,
        {{ date_key('commits.written_at') }} as written_date_key,
        commits.written_at,
        commits.extracted_at
    from commits
    left join repositories on commits.repository_name = repositories.repository_name
    left join contributors on commits.contributor_login = contributors.contributor_login

)

select * from final
