"""A local stand-in for Snowflake: fakesnow's HTTP server, and what a dbt-snowflake project needs besides (README.md)."""
