-- grain: one row per repository of the organizations
with

source as (

    select * from {{ raw_github('repositories', {
        'id': 'bigint', 'full_name': 'varchar', 'language': 'varchar', 'stargazers_count': 'bigint',
        'forks_count': 'bigint', 'open_issues_count': 'bigint', 'created_at': 'timestamp'
    }) }}

),

-- pages that changed while they were read have a repository twice
ranked as (

    select
        *,
        row_number() over (partition by full_name order by {{ extracted_at() }} desc, id desc) as recency
    from source

),

renamed as (

    select
        -- ids
        id as repository_id,

        -- text
        full_name as repository_name,
        split_part(full_name, '/', 1) as organization_name,
        coalesce(language, 'Unknown') as main_language,

        -- numerics
        cast(stargazers_count as bigint) as star_count,
        cast(forks_count as bigint) as fork_count,
        cast(open_issues_count as bigint) as open_issue_count,

        -- timestamps
        cast(created_at as timestamp) as created_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from ranked
    where recency = 1

)

select * from renamed
