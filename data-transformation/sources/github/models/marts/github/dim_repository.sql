-- grain: one row per repository whose activity is read, and the unknown one
with

repositories as (

    select * from {{ ref('stg_github_repositories') }}

),

active as (

    select repository_name from {{ ref('stg_github_commits') }}
    union
    select repository_name from {{ ref('stg_github_stargazers') }}
    union
    select repository_name from {{ ref('stg_github_releases') }}
    union
    select repository_name from {{ ref('stg_github_contributors') }}

),

described as (

    select
        {{ surrogate_key(['active.repository_name']) }} as repository_key,
        active.repository_name,
        split_part(active.repository_name, '/', 1) as organization_name,
        coalesce(repositories.main_language, 'Unknown') as main_language,
        coalesce(repositories.star_count, 0) as star_count,
        coalesce(repositories.fork_count, 0) as fork_count,
        coalesce(repositories.open_issue_count, 0) as open_issue_count
    from active
    left join repositories on active.repository_name = repositories.repository_name

),

unknown_repository as (

    select
        {{ unknown_key() }} as repository_key,
        'Unknown' as repository_name,
        'Unknown' as organization_name,
        'Unknown' as main_language,
        cast(0 as bigint) as star_count,
        cast(0 as bigint) as fork_count,
        cast(0 as bigint) as open_issue_count

)

select * from described
union all
select * from unknown_repository
