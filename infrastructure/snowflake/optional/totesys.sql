-- Where dbt builds the second company's stars (docs/marts.md), and who reads them. They are built in place: MARTS alone is swapped.
-- Written after Snowflake's documentation and never run: no part of `elt snowflake bootstrap`.
use role SYSADMIN;
create transient schema if not exists ANALYTICS.MARTS_TOTESYS comment = 'The second company''s stars';
grant ownership on schema ANALYTICS.MARTS_TOTESYS to role TRANSFORMER copy current grants;
grant usage on schema ANALYTICS.MARTS_TOTESYS to role REPORTER;
grant select on future tables in schema ANALYTICS.MARTS_TOTESYS to role REPORTER;
