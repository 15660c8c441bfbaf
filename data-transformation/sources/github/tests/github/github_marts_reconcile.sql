-- Each commit, star and release of the raw layer is counted once: in its fact, its week and its contributor's row.
with

counted as (

    select
        'commits in weeks' as what,
        (select count(*) from {{ ref('stg_github_commits') }}) as expected,
        (select coalesce(sum(weeks.commit_count), 0) from {{ ref('mart_repository_weeks') }} as weeks) as found
    union all
    select
        'commits of contributors' as what,
        (select count(*) from {{ ref('fct_commits') }}) as expected,
        (select coalesce(sum(mart.commit_count), 0) from {{ ref('mart_repository_contributors') }} as mart) as found
    union all
    select
        'stars in weeks' as what,
        (select count(*) from {{ ref('stg_github_stargazers') }}) as expected,
        (select coalesce(sum(weeks.star_count), 0) from {{ ref('mart_repository_weeks') }} as weeks) as found
    union all
    select
        'releases in weeks' as what,
        (select count(*) from {{ ref('stg_github_releases') }}) as expected,
        (select coalesce(sum(weeks.release_count), 0) from {{ ref('mart_repository_weeks') }} as weeks) as found

)

select *
from counted
where expected <> found
