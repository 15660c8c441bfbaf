-- grain: one row per version of an address: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('address') }}

),

renamed as (

    select
        -- ids
        address_id,

        -- text
        address_line_1,
        address_line_2,
        district,
        city,
        postal_code,
        country,
        {{ mask_phone('phone') }} as phone,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('address', 'address_id') }}
    from source

)

select * from renamed
