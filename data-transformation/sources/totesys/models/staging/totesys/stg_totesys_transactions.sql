-- grain: one row per version of a transaction: as it was first read, after each change, and its deletion
with

source as (

    select * from {{ raw_totesys('transaction') }}

),

renamed as (

    select
        -- ids
        transaction_id,
        sales_order_id,
        purchase_order_id,

        -- text
        transaction_type,

        -- timestamps
        created_at,
        last_updated,

        -- version
        {{ totesys_version('transaction', 'transaction_id') }}
    from source

)

select * from renamed
