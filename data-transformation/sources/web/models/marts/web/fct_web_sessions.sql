-- grain: one row per visit of the web site
{{
    config(
        materialized='incremental',
        unique_key='session_key',
        on_schema_change='fail',
        post_hook="{{ remove_vanished(ref('fct_page_views'), ['session_id'], row_each=false) }}"
    )
}}

{%- set is_update = is_incremental() %}

with

page_views as (

    select * from {{ ref('fct_page_views') }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

{%- if is_update %}

-- visits with a page view that has come since, late or not, and those with a customer version that is no longer right
sessions_to_build as (

    select page_views.session_key
    from page_views
    where
        page_views.extracted_at
        >= (select coalesce(max(built.extracted_at), {{ beginning_of_time() }}) from {{ this }} as built)

    union distinct

    select built.session_key
    from {{ this }} as built
    left join customers on built.customer_key = customers.customer_key
    where
        built.customer_id is not null
        and not coalesce(
            built.started_at >= customers.valid_from and built.started_at < customers.valid_to, false
        )

),

{%- endif %}

-- in the order in which the pages were seen
ordered as (

    select
        *,
        row_number() over (partition by session_key order by viewed_at, event_id) as view_number,
        row_number() over (partition by session_key order by viewed_at desc, event_id desc) as view_number_from_end
    from page_views
    {%- if is_update %}
    where session_key in (select sessions_to_build.session_key from sessions_to_build)
    {%- endif %}

),

sessions as (

    select
        session_key,
        session_id,
        max(customer_id) as customer_id,
        max(order_id) as order_id,
        max(case when view_number = 1 then device_key end) as device_key,
        max(case when view_number = 1 then referrer_key end) as referrer_key,
        max(case when view_number = 1 then country_code end) as country_code,
        max(case when view_number = 1 then page_path end) as entry_page_path,
        max(case when view_number_from_end = 1 then page_path end) as exit_page_path,
        count(*) as page_view_count,
        sum(seconds_on_page) as duration_seconds,
        count(case when page_type = 'product' then 1 end) as product_view_count,
        count(case when page_type = 'cart' then 1 end) > 0 as has_cart,
        count(case when page_type = 'checkout' then 1 end) > 0 as has_checkout,
        count(case when page_type = 'order' then 1 end) > 0 as is_converted,
        coalesce(sum(order_value), 0) as order_value,
        min(viewed_at) as started_at,
        max(viewed_at) as last_viewed_at,
        max(extracted_at) as extracted_at
    from ordered
    group by session_key, session_id

),

final as (

    select
        sessions.session_key,
        sessions.session_id,
        {{ key_or_unknown('customers.customer_key') }} as customer_key,
        sessions.device_key,
        sessions.referrer_key,
        {{ date_key('sessions.started_at') }} as start_date_key,
        sessions.customer_id,
        sessions.order_id,
        sessions.country_code,
        sessions.entry_page_path,
        sessions.exit_page_path,
        cast(sessions.page_view_count as integer) as page_view_count,
        cast(sessions.product_view_count as integer) as product_view_count,
        cast(sessions.duration_seconds as bigint) as duration_seconds,
        sessions.page_view_count = 1 as is_bounce,
        sessions.has_cart,
        sessions.has_checkout,
        sessions.is_converted,
        cast(sessions.order_value as decimal(38, 4)) as order_value,
        sessions.started_at,
        sessions.last_viewed_at,
        sessions.extracted_at
    from sessions
    left join customers
        on
            sessions.customer_id = customers.customer_id
            and sessions.started_at >= customers.valid_from
            and sessions.started_at < customers.valid_to

)

select * from final
