-- grain: one row per postal address
with

source as (

    select * from {{ source('adventureworks_person', 'address') }}

),

renamed as (

    select
        -- ids
        addressid as address_id,
        stateprovinceid as state_province_id,

        -- text; the street lines are personal data and stay in raw
        trim(city) as city,
        trim(postalcode) as postal_code,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'address')) }}

)

select * from renamed
