-- grain: one row per salesperson and day of a quota
with

source as (

    select * from {{ source('adventureworks_sales', 'salespersonquotahistory') }}

),

renamed as (

    select
        -- ids
        businessentityid as salesperson_id,

        -- numerics
        {{ amount('salesquota') }} as quota_amount,

        -- timestamps
        quotadate as quota_date,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salespersonquotahistory')) }}

)

select * from renamed
