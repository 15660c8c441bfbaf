-- grain: one row per published release
with

source as (

    select * from {{ raw_github('releases', {
        'id': 'bigint', 'repository': 'varchar', 'tag_name': 'varchar', 'prerelease': 'boolean', 'draft': 'boolean',
        'created_at': 'timestamp', 'published_at': 'timestamp', '_airbyte_raw_id': 'varchar'
    }) }}

),

-- pages that changed while they were read have a release twice
ranked as (

    select
        *,
        row_number() over (partition by id order by {{ extracted_at() }} desc, _airbyte_raw_id desc) as recency
    from source

),

renamed as (

    select
        -- ids
        id as release_id,

        -- text
        repository as repository_name,
        tag_name,

        -- booleans
        coalesce(prerelease, false) as is_prerelease,

        -- timestamps
        cast(published_at as timestamp) as published_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from ranked
    where recency = 1 and published_at is not null and not coalesce(draft, false)

)

select * from renamed
