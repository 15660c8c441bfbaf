"""What each database holds besides the user's objects: macros, and views that stand for INFORMATION_SCHEMA."""

from __future__ import annotations

from string import Template

from fakesnow import info_schema, macros, transforms

# The first two by type: DuckDB's date_trunc and addition make a TIMESTAMP of a DATE, Snowflake's leave it one. The third: DuckDB
# makes infinity of a division by zero. The fourth is TIMESTAMP_OUTPUT_FORMAT's default, with milliseconds.
MACROS = """
CREATE OR REPLACE MACRO {db}.main._fs_date_trunc(part, x DATE) AS CAST(date_trunc(part, x) AS DATE),
    (part, x TIMESTAMP) AS date_trunc(part, x),
    (part, x TIMESTAMPTZ) AS date_trunc(part, x),
    (part, x VARCHAR) AS date_trunc(part, CAST(x AS TIMESTAMP));
CREATE OR REPLACE MACRO {db}.main._fs_date_add(x DATE, i) AS CAST(x + i AS DATE),
    (x TIMESTAMP, i) AS x + i,
    (x TIMESTAMPTZ, i) AS x + i,
    (x VARCHAR, i) AS CAST(x AS TIMESTAMP) + i;
CREATE OR REPLACE MACRO {db}.main._fs_days(n) AS CAST(n AS INTEGER);
CREATE OR REPLACE MACRO {db}.main._fs_divide(a, b) AS
    CASE WHEN b = 0 AND a IS NOT NULL THEN error('Division by zero') ELSE a / b END;
CREATE OR REPLACE MACRO {db}.main._fs_text(x DATE) AS strftime(x, '%Y-%m-%d'),
    (x TIMESTAMP) AS strftime(x, '%Y-%m-%d %H:%M:%S.%g'),
    (x TIMESTAMPTZ) AS strftime(x AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%g') || ' +0000',
    (x) AS CAST(x AS VARCHAR);
CREATE OR REPLACE MACRO {db}.main._fs_flatten_none(input) AS
    input IS NULL OR CAST(input AS VARCHAR) IN ('[]', '{{}}', 'null');
CREATE OR REPLACE MACRO {db}.main._fs_flatten_outer(input) AS TABLE
    SELECT SEQ, KEY, CASE WHEN none THEN NULL ELSE PATH END AS PATH, CASE WHEN none THEN NULL ELSE INDEX END AS INDEX,
           CASE WHEN none THEN NULL ELSE VALUE END AS VALUE, CASE WHEN none THEN NULL ELSE THIS END AS THIS
    FROM (SELECT *, {db}.main._fs_flatten_none(input) AS none
          FROM {db}.main._fs_flatten(CASE WHEN {db}.main._fs_flatten_none(input) THEN CAST('[null]' AS JSON)
                                     ELSE TO_JSON(input) END));
CREATE OR REPLACE MACRO {db}.main.current_role() AS 'ACCOUNTADMIN';
CREATE OR REPLACE MACRO {db}.main.current_warehouse() AS 'EMULATOR';
CREATE OR REPLACE MACRO {db}.main.current_account() AS 'EMULATOR';
CREATE OR REPLACE MACRO {db}.main.current_region() AS 'LOCAL';
CREATE OR REPLACE MACRO {db}.main.current_session() AS 'EMULATOR';
CREATE OR REPLACE MACRO {db}.main."system$cancel_all_queries"(session) AS '0 cancelled.';
"""

# Integers that are not BIGINT (SUM makes a HUGEINT, a literal is an INTEGER) are NUMBER(38,0) too.
COLUMNS_VIEW = info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW.replace(
    "columns.data_type='BIGINT'", "regexp_full_match(columns.data_type, 'U?[A-Z]*INT(EGER)?')"
)

# fakesnow's INFORMATION_SCHEMA.TABLES has no views (`dbt docs generate` would leave them out) and no times
# (`dbt source freshness` without a loaded_at_field would find every table as old as 1970).
TABLES_VIEW = """
CREATE TABLE IF NOT EXISTS _fs_global._fs_information_schema._fs_altered
    (db VARCHAR, schema VARCHAR, name VARCHAR, altered_at TIMESTAMPTZ, PRIMARY KEY (db, schema, name));
CREATE OR REPLACE VIEW {db}._fs_information_schema._fs_tables AS
SELECT * EXCLUDE (db, schema, name, altered_at)
    REPLACE (coalesce(altered_at, LAST_ALTERED) AS LAST_ALTERED, coalesce(altered_at, LAST_DDL) AS LAST_DDL)
FROM ({tables}
      UNION ALL BY NAME
      SELECT database_name AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, view_name AS TABLE_NAME,
             'SYSADMIN' AS TABLE_OWNER, 'VIEW' AS TABLE_TYPE, 'NO' AS IS_DYNAMIC, ext.comment AS COMMENT
      FROM duckdb_views() LEFT JOIN _fs_global._fs_information_schema._fs_tables_ext ext
        ON (database_name, schema_name, view_name) = (ext_table_catalog, ext_table_schema, ext_table_name)
      WHERE database_name = '{db}' AND NOT internal AND schema_name != '_fs_information_schema')
LEFT JOIN _fs_global._fs_information_schema._fs_altered
  ON (db, schema, name) = (TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME);
CREATE SCHEMA IF NOT EXISTS {db}.PUBLIC
"""


def database_sql(db: str, _original=info_schema.per_db_creation_sql) -> str:
    tables = info_schema.SQL_CREATE_INFORMATION_SCHEMA_TABLES_VIEW.substitute(catalog=db).split(" AS", 1)[1]
    return f"{_original(db)};{TABLES_VIEW.format(db=db, tables=tables)}"


def macro_sql(db: str, _original=macros.creation_sql) -> str:
    return _original(db) + MACROS.format(db=db)


def comment_sql(
    catalog: str, schema: str, table: str, comment: str, _original=info_schema.insert_table_comment_sql
):
    """fakesnow pastes the comment between quotes as it is."""
    return _original(catalog, schema, table, (comment or "").replace("'", "''"))


# fakesnow looks into the session's own database, where an object of another one is not found
DESCRIBE = Template(
    transforms.transforms.SQL_DESCRIBE_TABLE.template.replace(
        "_fs_information_schema._fs_columns", "_fs_global._fs_information_schema._fs_columns"
    )
)
