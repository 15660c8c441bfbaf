-- grain: one row per person with an account who has contributed, and the unknown one (who has none)
with

people as (

    select contributor_login from {{ ref('stg_github_commits') }}
    where contributor_login is not null
    union
    select contributor_login from {{ ref('stg_github_contributors') }}

),

described as (

    select
        {{ surrogate_key(['contributor_login']) }} as contributor_key,
        contributor_login
    from people

),

unknown_contributor as (

    select
        {{ unknown_key() }} as contributor_key,
        'Unknown' as contributor_login

)

select * from described
union all
select * from unknown_contributor
