-- grain: one row per vendor as it is now, and the unknown vendor
with

vendors as (

    select * from {{ ref('stg_vendors') }}

),

described as (

    select
        {{ surrogate_key(['vendor_id']) }} as vendor_key,
        vendor_id,
        vendor_account_number,
        vendor_name,
        cast(credit_rating as integer) as credit_rating,
        case credit_rating
            when 1 then 'Superior' when 2 then 'Excellent' when 3 then 'Above average' when 4 then 'Average'
            when 5 then 'Below average' else 'Unknown'
        end as credit_rating_name,
        is_preferred,
        is_active,
        purchasing_web_service_url
    from vendors

),

unknown_vendor as (

    select
        {{ unknown_key() }} as vendor_key,
        cast(null as integer) as vendor_id,
        'Unknown' as vendor_account_number,
        'Unknown' as vendor_name,
        cast(null as integer) as credit_rating,
        'Unknown' as credit_rating_name,
        cast(null as boolean) as is_preferred,
        cast(null as boolean) as is_active,
        cast(null as varchar) as purchasing_web_service_url

)

select * from described
union all
select * from unknown_vendor
