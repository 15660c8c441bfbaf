-- grain: one row per vendor
with

source as (

    select * from {{ source('adventureworks_purchasing', 'vendor') }}

),

renamed as (

    select
        -- ids
        businessentityid as vendor_id,

        -- text
        accountnumber as vendor_account_number,
        name as vendor_name,
        purchasingwebserviceurl as purchasing_web_service_url,

        -- numerics
        creditrating as credit_rating,

        -- booleans
        preferredvendorstatus as is_preferred,
        activeflag as is_active,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_purchasing', 'vendor')) }}

)

select * from renamed
