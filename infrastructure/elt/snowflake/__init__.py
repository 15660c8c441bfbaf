"""A Snowflake account made ready, and looked over: `elt snowflake …`. The SQL is in `infrastructure/snowflake`."""
