-- grain: one row per page view
with

source as (

    select * from {{ raw_web_events() }}

),

-- page and referrer without scheme and parameters
located as (

    select
        *,
        split_part(split_part(split_part(page_url, '://', 2), '?', 1), '#', 1) as page_address,
        {{ host_of('referrer_url') }} as referrer_host
    from source

),

placed as (

    select
        *,
        substring(page_address, length(split_part(page_address, '/', 1)) + 1) as page_path
    from located

),

renamed as (

    select
        -- ids
        event_id,
        session_id,
        {{ integer_in_range('user_id') }} as customer_id,
        case
            when page_path like '/order-confirmation/SO%'
                then {{ integer_or_null("substring(page_path, 23)") }}
        end as order_id,

        -- text
        page_path,
        case
            when page_path in ('', '/') then 'home'
            when page_path like '/categories/%' then 'category'
            when page_path like '/products/%' then 'product'
            when page_path = '/cart' then 'cart'
            when page_path = '/checkout' then 'checkout'
            when page_path like '/order-confirmation/%' then 'order'
            else 'other'
        end as page_type,
        referrer_host,
        coalesce(device_type, 'unknown') as device_type,
        case
            when user_agent like '%Firefox/%' then 'Firefox'
            when user_agent like '%Edg/%' then 'Edge'
            when user_agent like '%Chrome/%' then 'Chrome'
            when user_agent like '%Safari/%' then 'Safari'
            else 'Other'
        end as browser,
        case
            when user_agent like '%Windows%' then 'Windows'
            when user_agent like '%iPhone%' or user_agent like '%iPad%' then 'iOS'
            when user_agent like '%Android%' then 'Android'
            when user_agent like '%Mac OS X%' then 'macOS'
            when user_agent like '%Linux%' then 'Linux'
            else 'Other'
        end as operating_system,
        {{ ip_network('ip_address') }} as ip_network,
        coalesce(country, 'Unknown') as country_code,

        -- numerics
        coalesce(cast(duration as bigint), 0) as seconds_on_page,
        {{ amount('order_value') }} as order_value,

        -- timestamps
        cast({{ reserved_column('timestamp') }} as timestamp) as viewed_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from placed

)

select * from renamed
