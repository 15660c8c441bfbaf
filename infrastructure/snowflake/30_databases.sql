-- RAW is what Airbyte leaves; its schemas are made by LOADER. ANALYTICS is what dbt makes of it. SNAPSHOTS alone can't be made
-- again: it is not transient, and a week of time travel is kept.
use role SYSADMIN;

create database if not exists RAW${SUFFIX} comment = 'As the sources are; written by Airbyte';
create database if not exists ANALYTICS${SUFFIX} comment = 'Built by dbt';

create transient schema if not exists ANALYTICS${SUFFIX}.STAGING;
create transient schema if not exists ANALYTICS${SUFFIX}.INTERMEDIATE;
create transient schema if not exists ANALYTICS${SUFFIX}.MARTS comment = 'Published; swapped with MARTS_NEXT by each run';
create transient schema if not exists ANALYTICS${SUFFIX}.MARTS_RESTRICTED comment = 'Personal data; HR_REPORTER alone';
create schema if not exists ANALYTICS${SUFFIX}.SNAPSHOTS comment = 'History that can not be rebuilt';
create schema if not exists ANALYTICS${SUFFIX}.MONITORING comment = 'How the runs went';
