-- grain: one row per repository and person, with GitHub's own count of commits
with

source as (

    select * from {{ raw_github('contributor_activity', {
        'id': 'bigint', 'repository': 'varchar', 'login': 'varchar', 'total': 'bigint'
    }) }}

),

renamed as (

    select
        -- text
        repository as repository_name,
        login as contributor_login,

        -- numerics
        cast(total as bigint) as commit_count,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where login is not null

)

select * from renamed
