-- grain: one row per person, phone number and kind of phone number
with

source as (

    select * from {{ source('adventureworks_person', 'personphone') }}

),

renamed as (

    select
        -- ids
        businessentityid as person_id,
        phonenumbertypeid as phone_type_id,
        {{ surrogate_key(['businessentityid', 'phonenumber', 'phonenumbertypeid']) }} as phone_id,

        -- text
        {{ mask_phone('phonenumber') }} as masked_phone,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'personphone')) }}

)

select * from renamed
