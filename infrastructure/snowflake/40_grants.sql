-- The privileges of each role: no others exist. A role owns what it makes: LOADER its schemas in RAW, TRANSFORMER those in
-- ANALYTICS; databases, warehouses, roles and users belong to the administrators.
use role SECURITYADMIN;

-- LOADER: makes schemas and fills them; PUBLIC is for streams without a namespace and for Airbyte's check
grant usage on warehouse LOADING${SUFFIX} to role LOADER${SUFFIX};
grant usage, create schema on database RAW${SUFFIX} to role LOADER${SUFFIX};
grant usage, create table, create stage on schema RAW${SUFFIX}.PUBLIC to role LOADER${SUFFIX};

-- TRANSFORMER: reads RAW, also what LOADER will make
grant usage on warehouse TRANSFORMING${SUFFIX} to role TRANSFORMER${SUFFIX};
grant usage on warehouse TRANSFORMING_MARTS${SUFFIX} to role TRANSFORMER${SUFFIX};
grant usage on database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};
grant usage on all schemas in database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};
grant usage on future schemas in database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};
grant select on all tables in database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};
grant select on future tables in database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};

-- and builds ANALYTICS. Publishing clones MARTS (create schema) and swaps it (ownership of both): so its schemas are its own
grant usage, create schema on database ANALYTICS${SUFFIX} to role TRANSFORMER${SUFFIX};
grant ownership on schema ANALYTICS${SUFFIX}.STAGING to role TRANSFORMER${SUFFIX} copy current grants;
grant ownership on schema ANALYTICS${SUFFIX}.INTERMEDIATE to role TRANSFORMER${SUFFIX} copy current grants;
grant ownership on schema ANALYTICS${SUFFIX}.MARTS to role TRANSFORMER${SUFFIX} copy current grants;
grant ownership on schema ANALYTICS${SUFFIX}.MARTS_RESTRICTED to role TRANSFORMER${SUFFIX} copy current grants;
grant ownership on schema ANALYTICS${SUFFIX}.SNAPSHOTS to role TRANSFORMER${SUFFIX} copy current grants;
grant ownership on schema ANALYTICS${SUFFIX}.MONITORING to role TRANSFORMER${SUFFIX} copy current grants;

-- REPORTER: the published marts. A swap takes a schema's grants and future grants along with it: so publishing gives these two
-- again on MARTS_NEXT, and there is no future grant, which after a swap would be on the version before
grant usage on warehouse REPORTING${SUFFIX} to role REPORTER${SUFFIX};
grant usage on database ANALYTICS${SUFFIX} to role REPORTER${SUFFIX};
grant usage on schema ANALYTICS${SUFFIX}.MARTS to role REPORTER${SUFFIX};
grant select on all tables in schema ANALYTICS${SUFFIX}.MARTS to role REPORTER${SUFFIX};

-- HR_REPORTER: besides what it has from REPORTER the restricted marts, which are never swapped: here a future grant holds
grant usage on schema ANALYTICS${SUFFIX}.MARTS_RESTRICTED to role HR_REPORTER${SUFFIX};
grant select on all tables in schema ANALYTICS${SUFFIX}.MARTS_RESTRICTED to role HR_REPORTER${SUFFIX};
grant select on future tables in schema ANALYTICS${SUFFIX}.MARTS_RESTRICTED to role HR_REPORTER${SUFFIX};
