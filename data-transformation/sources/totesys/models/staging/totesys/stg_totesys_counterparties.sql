-- grain: one row per version of a counterparty: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('counterparty') }}

),

renamed as (

    select
        -- ids
        counterparty_id,
        legal_address_id,

        -- text
        counterparty_legal_name,

        -- booleans
        commercial_contact_hashed is not null as has_commercial_contact,
        delivery_contact_hashed is not null as has_delivery_contact,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('counterparty', 'counterparty_id') }}
    from source

)

select * from renamed
