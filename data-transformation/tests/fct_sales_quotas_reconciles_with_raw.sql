-- Quotas and their sum equal the raw layer's.
with

raw_rows as (

    select
        count(*) as row_count,
        coalesce(sum({{ amount('salesquota') }}), 0) as quota_amount
    from {{ source('adventureworks_sales', 'salespersonquotahistory') }}
    where {{ not_deleted(source('adventureworks_sales', 'salespersonquotahistory')) }}

),

fact_rows as (

    select
        count(*) as row_count,
        coalesce(sum(quota_amount), 0) as quota_amount
    from {{ ref('fct_sales_quotas') }}

)

select fact_rows.*
from raw_rows
cross join fact_rows
where
    {{ any_differs('raw_rows', 'fact_rows', ['row_count', 'quota_amount']) }}
