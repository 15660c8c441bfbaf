-- grain: one row per repository and person who has starred it
with

stars as (

    select * from {{ ref('stg_github_stargazers') }}

),

repositories as (

    select * from {{ ref('dim_repository') }}

),

final as (

    select
        {{ surrogate_key(['stars.repository_name', 'stars.stargazer_id']) }} as star_key,
        {{ key_or_unknown('repositories.repository_key') }} as repository_key,
        {{ date_key('stars.starred_at') }} as starred_date_key,
        stars.stargazer_id,
        stars.starred_at,
        stars.extracted_at
    from stars
    left join repositories on stars.repository_name = repositories.repository_name

)

select * from final
