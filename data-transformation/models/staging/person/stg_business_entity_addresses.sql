-- grain: one row per business entity, address and kind of address
with

source as (

    select * from {{ source('adventureworks_person', 'businessentityaddress') }}

),

renamed as (

    select
        -- ids
        businessentityid as business_entity_id,
        addressid as address_id,
        addresstypeid as address_type_id,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'businessentityaddress')) }}

)

select * from renamed
