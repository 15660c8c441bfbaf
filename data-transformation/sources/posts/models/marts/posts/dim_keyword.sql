-- grain: one row per keyword that posts are searched for, and the unknown one
with

keywords as (

    select distinct
        keyword,
        keyword_kind
    from {{ ref('post_keywords') }}

),

described as (

    select
        {{ surrogate_key(['keyword']) }} as keyword_key,
        keyword,
        keyword_kind
    from keywords

),

unknown_keyword as (

    select
        {{ unknown_key() }} as keyword_key,
        'Unknown' as keyword,
        'Unknown' as keyword_kind

)

select * from described
union all
select * from unknown_keyword
