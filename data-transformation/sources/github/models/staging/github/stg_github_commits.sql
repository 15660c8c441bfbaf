-- grain: one row per commit of a main branch
with

source as (

    select * from {{ raw_github('commits', {
        'sha': 'varchar', 'repository': 'varchar', 'created_at': 'timestamp', 'author': json_type()
    }) }}

),

renamed as (

    select
        -- ids
        sha as commit_id,

        -- text
        repository as repository_name,
        {{ json_text('author', 'login') }} as contributor_login,

        -- timestamps
        cast(created_at as timestamp) as written_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source

)

select * from renamed
