-- The lake's tables in Snowflake, read where they are (docs/lake.md). Written after Snowflake's documentation and never run:
-- no part of `elt snowflake bootstrap`. Replace what is in angle brackets.

-- 1. As Iceberg tables: new files are there as soon as `elt lake publish` has added them
use role ACCOUNTADMIN;
create external volume if not exists LAKE
    storage_locations = ((
        name = 'lake' storage_provider = 'S3' storage_base_url = 's3://<bucket>/<folder>/'
        storage_aws_role_arn = '<role that may read the bucket>'
    ))
    allow_writes = false;
create catalog integration if not exists LAKE
    catalog_source = iceberg_rest table_format = iceberg
    rest_config = (catalog_uri = '<LAKE_CATALOG>' catalog_name = '<LAKE_CATALOG_WAREHOUSE>')
    rest_authentication = (
        type = sigv4 sigv4_iam_role = '<role that may read the catalogue>' sigv4_signing_region = '<region>'
    )
    enabled = true;

-- a database whose schemas and tables are the catalogue's
create database if not exists LAKE
    linked_catalog = (catalog = 'LAKE', sync_interval_seconds = 60)
    external_volume = 'LAKE';
grant usage on database LAKE to role TRANSFORMER${SUFFIX};
grant usage on all schemas in database LAKE to role TRANSFORMER${SUFFIX};
grant select on all tables in database LAKE to role TRANSFORMER${SUFFIX};

-- 2. Without a catalogue: the processed files through a stage. A file counts only if a manifest names it, which this does not ask:
-- run it after `elt lake compact`, on a lake that no sync writes
use role SECURITYADMIN;
create stage if not exists RAW${SUFFIX}.PUBLIC.LAKE
    url = 's3://<bucket>/<folder>/processed/<connection>/' storage_integration = <integration>
    file_format = (type = parquet use_logical_type = true);
-- copy into RAW${SUFFIX}.TOTESYS.SALES_ORDER from @RAW${SUFFIX}.PUBLIC.LAKE/totesys.sales_order/
--     match_by_column_name = case_insensitive;
