-- grain: one row per reason to scrap
with

source as (

    select * from {{ source('adventureworks_production', 'scrapreason') }}

),

renamed as (

    select
        -- ids
        scrapreasonid as scrap_reason_id,

        -- text
        name as scrap_reason_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_production', 'scrapreason')) }}

)

select * from renamed
