-- grain: one row per e-mail address of a person
with

source as (

    select * from {{ source('adventureworks_person', 'emailaddress') }}

),

renamed as (

    select
        -- ids
        businessentityid as person_id,
        emailaddressid as email_address_id,

        -- text
        {{ mask_email('emailaddress') }} as masked_email,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'emailaddress')) }}

)

select * from renamed
