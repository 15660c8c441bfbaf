-- Services log in with a key pair and have no password; from the addresses of SNOWFLAKE_ALLOWED_IPS alone. People get REPORTER or
-- HR_REPORTER by hand: `grant role REPORTER to user …`.
use role SECURITYADMIN;

create network policy if not exists ELT_SERVICES${SUFFIX} allowed_ip_list = (${SNOWFLAKE_ALLOWED_IPS});
alter network policy ELT_SERVICES${SUFFIX} set allowed_ip_list = (${SNOWFLAKE_ALLOWED_IPS});

use role USERADMIN;

create user if not exists AIRBYTE${SUFFIX} type = service comment = 'Airbyte';
create user if not exists DBT${SUFFIX} type = service comment = 'dbt and publishing, run by Airflow';
create user if not exists SUPERSET${SUFFIX} type = service comment = 'Dashboards';

alter user AIRBYTE${SUFFIX} set rsa_public_key = '${SNOWFLAKE_LOADER_PUBLIC_KEY}'
    default_role = LOADER${SUFFIX} default_warehouse = LOADING${SUFFIX} default_secondary_roles = ();
alter user DBT${SUFFIX} set rsa_public_key = '${SNOWFLAKE_TRANSFORMER_PUBLIC_KEY}'
    default_role = TRANSFORMER${SUFFIX} default_warehouse = TRANSFORMING${SUFFIX} default_secondary_roles = ();
alter user SUPERSET${SUFFIX} set rsa_public_key = '${SNOWFLAKE_REPORTER_PUBLIC_KEY}'
    default_role = REPORTER${SUFFIX} default_warehouse = REPORTING${SUFFIX} default_secondary_roles = ();

grant role LOADER${SUFFIX} to user AIRBYTE${SUFFIX};
grant role TRANSFORMER${SUFFIX} to user DBT${SUFFIX};
grant role REPORTER${SUFFIX} to user SUPERSET${SUFFIX};

use role SECURITYADMIN;

alter user AIRBYTE${SUFFIX} set network_policy = ELT_SERVICES${SUFFIX};
alter user DBT${SUFFIX} set network_policy = ELT_SERVICES${SUFFIX};
alter user SUPERSET${SUFFIX} set network_policy = ELT_SERVICES${SUFFIX};
