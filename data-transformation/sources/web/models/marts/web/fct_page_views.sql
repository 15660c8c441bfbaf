-- grain: one row per page view
{{
    config(
        materialized='incremental',
        unique_key='page_view_key',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('stg_web_events'), ['event_id']) }}"
    )
}}

with

events as (

    select *
    from {{ ref('stg_web_events') }}
    {%- if is_incremental() %}
    -- what syncs brought since the last build, late events among it
    where extracted_at >= (select coalesce(max(built.extracted_at), {{ beginning_of_time() }}) from {{ this }} as built)
    {%- endif %}

),

final as (

    select
        {{ surrogate_key(['event_id']) }} as page_view_key,
        event_id,
        {{ surrogate_key(['session_id']) }} as session_key,
        {{ surrogate_key(['device_type', 'browser', 'operating_system']) }} as device_key,
        case when referrer_host is null then {{ unknown_key() }} else {{ surrogate_key(['referrer_host']) }} end
            as referrer_key,
        {{ date_key('viewed_at') }} as view_date_key,
        session_id,
        customer_id,
        order_id,
        country_code,
        page_type,
        page_path,
        seconds_on_page,
        order_value,
        viewed_at,
        extracted_at
    from events

)

select * from final
