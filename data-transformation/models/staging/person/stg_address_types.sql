-- grain: one row per kind of address
with

source as (

    select * from {{ source('adventureworks_person', 'addresstype') }}

),

renamed as (

    select
        -- ids
        addresstypeid as address_type_id,

        -- text
        name as address_type_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_person', 'addresstype')) }}

)

select * from renamed
