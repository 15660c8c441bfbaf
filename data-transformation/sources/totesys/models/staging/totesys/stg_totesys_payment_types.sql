-- grain: one row per version of a kind of payment: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('payment_type') }}

),

renamed as (

    select
        -- ids
        payment_type_id,

        -- text
        payment_type_name,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('payment_type', 'payment_type_id') }}
    from source

)

select * from renamed
