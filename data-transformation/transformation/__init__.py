"""The one room that runs dbt: its project, its runs, what has changed since the last one."""
