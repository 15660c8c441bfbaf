-- Visits hold every page view; each aggregate adds up to the visits that it is made of.
with

totals as (

    select
        'fct_web_sessions' as mart,
        (select count(*) from {{ ref('fct_page_views') }}) as expected_count,
        (select coalesce(sum(seen.order_value), 0) from {{ ref('fct_page_views') }} as seen) as expected_value,
        (select coalesce(sum(sessions.page_view_count), 0) from {{ ref('fct_web_sessions') }} as sessions)
            as found_count,
        (select coalesce(sum(sessions.order_value), 0) from {{ ref('fct_web_sessions') }} as sessions) as found_value

    {%- for mart in ['mart_web_visits_by_country', 'mart_web_conversion'] %}

    union all

    select
        '{{ mart }}' as mart,
        (select count(*) from {{ ref('fct_web_sessions') }}) as expected_count,
        (select coalesce(sum(sessions.order_value), 0) from {{ ref('fct_web_sessions') }} as sessions)
            as expected_value,
        (select coalesce(sum(mart.visit_count), 0) from {{ ref(mart) }} as mart) as found_count,
        (select coalesce(sum(mart.order_value), 0) from {{ ref(mart) }} as mart) as found_value
    {%- endfor %}

    union all

    select
        'mart_web_funnel' as mart,
        (select count(*) from {{ ref('fct_web_sessions') }}) as expected_count,
        0 as expected_value,
        (
            select coalesce(sum(funnel.session_count), 0) from {{ ref('mart_web_funnel') }} as funnel
            where funnel.step_number = 1
        ) as found_count,
        0 as found_value

)

select *
from totals
where expected_count <> found_count or expected_value <> found_value
