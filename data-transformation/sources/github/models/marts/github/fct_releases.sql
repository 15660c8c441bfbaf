-- grain: one row per published release
with

releases as (

    select * from {{ ref('stg_github_releases') }}

),

repositories as (

    select * from {{ ref('dim_repository') }}

),

final as (

    select
        {{ surrogate_key(['releases.release_id']) }} as release_key,
        releases.release_id,
        {{ key_or_unknown('repositories.repository_key') }} as repository_key,
        {{ date_key('releases.published_at') }} as published_date_key,
        releases.tag_name,
        releases.is_prerelease,
        releases.published_at,
        releases.extracted_at
    from releases
    left join repositories on releases.repository_name = repositories.repository_name

)

select * from final
