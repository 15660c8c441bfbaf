-- A warehouse per workload: none waits for another, and the bill says which costs what. Each starts by itself, sleeps after
-- a minute, and has a monthly limit of its own: warned at 80 %, let finish at 100 %, stopped at 110 %.
use role ACCOUNTADMIN; -- nobody else may make resource monitors

create resource monitor if not exists LOADING${SUFFIX} with credit_quota = 50 frequency = monthly
    start_timestamp = immediately
    triggers on 80 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate;
create resource monitor if not exists TRANSFORMING${SUFFIX} with credit_quota = 100 frequency = monthly
    start_timestamp = immediately
    triggers on 80 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate;
create resource monitor if not exists TRANSFORMING_MARTS${SUFFIX} with credit_quota = 100 frequency = monthly
    start_timestamp = immediately
    triggers on 80 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate;
create resource monitor if not exists REPORTING${SUFFIX} with credit_quota = 50 frequency = monthly
    start_timestamp = immediately
    triggers on 80 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate;

alter resource monitor LOADING${SUFFIX} set credit_quota = 50;
alter resource monitor TRANSFORMING${SUFFIX} set credit_quota = 100;
alter resource monitor TRANSFORMING_MARTS${SUFFIX} set credit_quota = 100;
alter resource monitor REPORTING${SUFFIX} set credit_quota = 50;

use role SYSADMIN;

create warehouse if not exists LOADING${SUFFIX} with warehouse_size = 'XSMALL' initially_suspended = true
    comment = 'Airbyte';
create warehouse if not exists TRANSFORMING${SUFFIX} with warehouse_size = 'XSMALL' initially_suspended = true
    comment = 'dbt: staging, intermediate, tests';
create warehouse if not exists TRANSFORMING_MARTS${SUFFIX} with warehouse_size = 'SMALL' initially_suspended = true
    comment = 'dbt: marts';
create warehouse if not exists REPORTING${SUFFIX} with warehouse_size = 'XSMALL' initially_suspended = true
    comment = 'Dashboards and analysts';

alter warehouse LOADING${SUFFIX} set auto_suspend = 60 auto_resume = true statement_timeout_in_seconds = 3600;
alter warehouse TRANSFORMING${SUFFIX} set auto_suspend = 60 auto_resume = true statement_timeout_in_seconds = 3600;
alter warehouse TRANSFORMING_MARTS${SUFFIX} set auto_suspend = 60 auto_resume = true statement_timeout_in_seconds = 3600;
alter warehouse REPORTING${SUFFIX} set auto_suspend = 60 auto_resume = true statement_timeout_in_seconds = 600;

use role ACCOUNTADMIN;

alter warehouse LOADING${SUFFIX} set resource_monitor = LOADING${SUFFIX};
alter warehouse TRANSFORMING${SUFFIX} set resource_monitor = TRANSFORMING${SUFFIX};
alter warehouse TRANSFORMING_MARTS${SUFFIX} set resource_monitor = TRANSFORMING_MARTS${SUFFIX};
alter warehouse REPORTING${SUFFIX} set resource_monitor = REPORTING${SUFFIX};
