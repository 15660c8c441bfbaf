-- grain: one row per customer and period in which it looked the same (SCD 2), and the unknown customer
{{
    config(
        materialized='incremental',
        unique_key='customer_key',
        on_schema_change='fail'
    )
}}

{%- set is_update = is_incremental() %}

with

snapshots as (

    select * from {{ ref('customers_snapshot') }}

),

{%- if is_update %}

seen_customers as (

    select
        customer_id,
        count(*) as version_count
    from snapshots
    group by customer_id

),

built_customers as (

    select
        customer_id,
        count(*) as version_count
    from {{ this }}
    group by customer_id

),

{%- endif %}

-- a version never changes but for its end, when there is a next one: customers of whom another version was seen
snapshots_to_build as (

    select *
    from snapshots
    {%- if is_update %}
    where
        customer_id in (
            select seen_customers.customer_id
            from seen_customers
            left join built_customers on seen_customers.customer_id = built_customers.customer_id
            where seen_customers.version_count is distinct from built_customers.version_count
        )
    {%- endif %}

),

-- what was there when the history began is taken to have been so always
numbered as (

    select
        *,
        row_number() over (partition by customer_id order by dbt_valid_from) as version_number,
        lead(dbt_valid_from) over (partition by customer_id order by dbt_valid_from) as next_valid_from
    from snapshots_to_build

),

versions as (

    select
        *,
        case when version_number = 1 then {{ beginning_of_time() }} else dbt_valid_from end as valid_from,
        coalesce(next_valid_from, {{ end_of_time() }}) as valid_to
    from numbered

),

described as (

    select
        {{ surrogate_key(['customer_id', timestamp_text('valid_from')]) }} as customer_key,
        customer_id,
        account_number,
        customer_type,
        customer_name,
        store_name,
        person_name,
        masked_email,
        masked_phone,
        email_promotion,
        territory_name,
        city,
        postal_code,
        state_name,
        country_name,
        cast(valid_from as timestamp) as valid_from,
        cast(valid_to as timestamp) as valid_to,
        next_valid_from is null as is_current,
        cast(version_number as integer) as version_number
    from versions

),

unknown_customer as (

    select
        {{ unknown_key() }} as customer_key,
        cast(null as integer) as customer_id,
        'Unknown' as account_number,
        'Unknown' as customer_type,
        'Unknown' as customer_name,
        cast(null as varchar) as store_name,
        cast(null as varchar) as person_name,
        cast(null as varchar) as masked_email,
        cast(null as varchar) as masked_phone,
        cast(null as integer) as email_promotion,
        cast(null as varchar) as territory_name,
        cast(null as varchar) as city,
        cast(null as varchar) as postal_code,
        cast(null as varchar) as state_name,
        cast(null as varchar) as country_name,
        {{ beginning_of_time() }} as valid_from,
        {{ end_of_time() }} as valid_to,
        true as is_current,
        1 as version_number

)

select * from described
union all
select * from unknown_customer
