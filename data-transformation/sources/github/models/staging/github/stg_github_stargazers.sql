-- grain: one row per repository and person who has starred it
with

source as (

    select * from {{ raw_github('stargazers', {
        'user_id': 'bigint', 'repository': 'varchar', 'starred_at': 'timestamp'
    }) }}

),

-- pages that changed while they were read have a person twice
newest as (

    select
        user_id,
        repository,
        max(starred_at) as starred_at,
        max({{ extracted_at() }}) as extracted_at
    from source
    where user_id is not null
    group by user_id, repository

),

renamed as (

    select
        -- ids
        user_id as stargazer_id,

        -- text
        repository as repository_name,

        -- timestamps
        cast(starred_at as timestamp) as starred_at,

        -- extraction
        extracted_at
    from newest

)

select * from renamed
