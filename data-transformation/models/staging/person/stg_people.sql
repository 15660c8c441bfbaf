-- grain: one row per person
with

source as (

    select * from {{ source('adventureworks_person', 'person') }}

),

renamed as (

    select
        -- ids
        businessentityid as person_id,

        -- text; demographics are personal data and stay in raw
        trim(persontype) as person_type,
        title,
        firstname as first_name,
        middlename as middle_name,
        lastname as last_name,
        suffix,
        trim(firstname || ' ' || coalesce(middlename || ' ', '') || lastname) as person_name,

        -- numerics
        emailpromotion as email_promotion,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'person')) }}

)

select * from renamed
