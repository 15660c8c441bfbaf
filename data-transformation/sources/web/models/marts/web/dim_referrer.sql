-- grain: one row per site that visitors came from, and the unknown referrer (which stands for none, too)
with

events as (

    select * from {{ ref('stg_web_events') }}

),

hosts as (

    select distinct referrer_host
    from events
    where referrer_host is not null

),

referrers as (

    select
        {{ surrogate_key(['referrer_host']) }} as referrer_key,
        referrer_host,
        case
            when {{ host_is_in('referrer_host', ['adventure-works.example']) }} then 'Internal'
            when referrer_host like 'mail.%' then 'E-mail'
            -- Google has a domain in each country
            when
                {{ host_is_in('referrer_host', [
                    'google.com', 'google.__', 'google.co.__', 'google.com.__', 'bing.com', 'duckduckgo.com'
                ]) }}
                then 'Search'
            when {{ host_is_in('referrer_host', ['facebook.com', 'instagram.com']) }} then 'Social'
            else 'Other site'
        end as referrer_type
    from hosts

),

unknown_referrer as (

    select
        {{ unknown_key() }} as referrer_key,
        'None' as referrer_host,
        'Direct' as referrer_type

)

select * from referrers
union all
select * from unknown_referrer
