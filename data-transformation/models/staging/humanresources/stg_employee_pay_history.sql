-- grain: one row per employee and change of pay
with

source as (

    select * from {{ source('adventureworks_humanresources', 'employeepayhistory') }}

),

renamed as (

    select
        -- ids
        businessentityid as employee_id,

        -- numerics
        {{ amount('rate') }} as hourly_rate,
        payfrequency as pay_frequency_id,

        -- timestamps
        ratechangedate as changed_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_humanresources', 'employeepayhistory')) }}

)

select * from renamed
