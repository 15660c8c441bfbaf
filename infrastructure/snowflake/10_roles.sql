-- Roles hold the privileges; users are in 50_users.sql. SYSADMIN is above all four, so that no object is out
-- of the administrators' reach.
use role USERADMIN;

create role if not exists LOADER${SUFFIX} comment = 'Airbyte: writes RAW, reads nothing else';
create role if not exists TRANSFORMER${SUFFIX} comment = 'dbt and publishing: reads RAW, builds ANALYTICS';
create role if not exists REPORTER${SUFFIX} comment = 'Dashboards and analysts: read the published marts';
create role if not exists HR_REPORTER${SUFFIX} comment = 'Human resources: reads the restricted marts, too';

grant role LOADER${SUFFIX} to role SYSADMIN;
grant role TRANSFORMER${SUFFIX} to role SYSADMIN;
grant role HR_REPORTER${SUFFIX} to role SYSADMIN;
grant role REPORTER${SUFFIX} to role HR_REPORTER${SUFFIX};
