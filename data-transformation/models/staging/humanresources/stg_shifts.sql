-- grain: one row per shift of the working day
with

source as (

    select * from {{ source('adventureworks_humanresources', 'shift') }}

),

renamed as (

    select
        -- ids
        shiftid as shift_id,

        -- text
        name as shift_name,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_humanresources', 'shift')) }}

)

select * from renamed
