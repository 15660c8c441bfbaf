-- grain: one row per calendar day in the years that the facts touch
select
    date_day,
    month_start,
    fiscal_year,
    fiscal_quarter_start,
    fiscal_445_month_start
from {{ ref('dim_date') }}
where date_day is not null
