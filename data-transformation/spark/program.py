"""`.venv-spark/bin/python program.py REQUEST ANSWER`: what runs in Spark's own environment: one job, or one query.

REQUEST and ANSWER are JSON files. How Spark is set up is in the folder that SPARK_CONF_DIR names; credentials are in the
environment, and in neither of them.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import Row, SparkSession

CATALOG = "lake"
COMMIT = "elt.commit"  # the commit of the lake that a table has, as `elt lake publish` notes it
VERSION = ("_airbyte_generation_id", "_ab_cdc_lsn", "_airbyte_extracted_at", "_airbyte_raw_id")
WORKERS_SECONDS = 120


class Refused(Exception):
    """What a person can mend: a message, and what to do (empty: the logs say more)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def session(workers: int) -> SparkSession:
    """Spark with all its workers there, so that what is measured is measured with them."""
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    deadline = time.monotonic() + WORKERS_SECONDS
    status = spark.sparkContext._jsc.sc()
    while status.getExecutorMemoryStatus().size() - 1 < workers:
        if time.monotonic() > deadline:
            raise Refused(f"fewer than {workers} workers came within {WORKERS_SECONDS} s", "")
        time.sleep(0.05)
    return spark


def name_of(identifier: str) -> str:
    """`namespace.table` as SQL has it."""
    return ".".join(f"`{part}`" for part in (CATALOG, *identifier.split(".")))


def properties(spark: SparkSession, identifier: str) -> dict[str, str]:
    """A table's properties and its current snapshot, all of one version of its metadata. Raises Refused where there is no table."""
    try:
        rows: list[Row] = spark.sql(f"show tblproperties {name_of(identifier)}").collect()
    except Exception as error:
        if "TABLE_OR_VIEW_NOT_FOUND" not in str(error) and "SCHEMA_NOT_FOUND" not in str(error):
            raise
        raise Refused(
            f"the catalogue has no table {identifier}",
            "sync a connection with `destination: lake` that has it, then: elt lake publish",
        ) from None
    return {row["key"]: row["value"] for row in rows}


def prepare(spark: SparkSession, tables: dict[str, dict[str, Any]]) -> int:
    """A view of each table: its rows as they are now, of one commit of the lake; returns that commit's number."""
    found = {view: properties(spark, table["identifier"]) for view, table in tables.items()}
    commits = {view: int(each.get(COMMIT, 0)) for view, each in found.items()}
    if len(set(commits.values())) > 1:
        (behind, least), (ahead, most) = (pick(commits.items(), key=_by_number) for pick in (min, max))
        raise Refused(
            f"the tables are of different commits of the lake: {tables[behind]['identifier']} of {least},"
            f" {tables[ahead]['identifier']} of {most}",
            "elt lake publish has not ended: let it, or run it",
        )
    for view, table in tables.items():
        spark.sql(f"create or replace temporary view `{view}` as {current(spark, table, found[view])}")
    return next(iter(commits.values()))


def _by_number(item: tuple[str, int]) -> int:
    return item[1]


def current(spark: SparkSession, table: dict[str, Any], found: dict[str, str]) -> str:
    """A query for the last version of each row of a snapshot, without the rows that were deleted: their last version says so, or the
    stream was read as a whole again since, and they have none of the last generation."""
    name, snapshot = name_of(table["identifier"]), found.get("current-snapshot-id", "none")
    columns = spark.table(name).columns
    missing = [column for column in table["key"] if column not in columns]
    if missing:
        raise Refused(f"the table {table['identifier']} has no column {missing[0]}", "sync it whole")
    key = ", ".join(f"`{column}`" for column in table["key"])
    order = ", ".join(f"`{column}` desc nulls last" for column in VERSION if column in columns)
    values = ", ".join(f"`{column}`" for column in columns)
    there = "" if snapshot == "none" else f" version as of {snapshot}"
    spread = f"/*+ repartition(`{table['spread']}`) */ " if table.get("spread") else ""
    there_now = (
        " and _ab_cdc_deleted_at is null"
        f" and _airbyte_generation_id = (select max(_airbyte_generation_id) from {name}{there})"
        if "_ab_cdc_deleted_at" in columns
        else ""
    )
    return (
        f"select {values} from (select *, row_number() over (partition by {key} order by {order}) as version_rank"
        f" from (select {spread}* from {name}{there})) where version_rank = 1{there_now}"
    )


def seed(spark: SparkSession, view: str, rows: list[dict[str, str]]) -> None:
    """A small table of text."""
    columns = ", ".join(f"`{column}`" for column in rows[0])
    quoted = (
        "(" + ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in row.values())
        + ")"
        for row in rows
    )  # fmt: skip
    spark.sql(
        f"create or replace temporary view `{view}` as select * from values {', '.join(quoted)} as t ({columns})"
    )


def run_job(spark: SparkSession, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the target by the query's rows, in one commit of the catalogue: before it readers have the old table, after it the new
    one."""
    commit = prepare(spark, request["tables"])
    for view, rows in request["seeds"].items():
        seed(spark, view, rows)
    target = name_of(request["target"])
    spark.sql(f"create namespace if not exists `{CATALOG}`.`{request['target'].split('.')[0]}`")
    spark.sql(
        f"create or replace table {target} using iceberg tblproperties ('format-version' = '2',"
        f" 'write.parquet.compression-codec' = 'zstd', '{COMMIT}' = '{commit}') as {request['query']}"
    )
    (newest,) = spark.sql(
        f"select summary['total-records'] as total, snapshot_id from {target}.snapshots order by committed_at desc limit 1"
    ).collect()
    oldest = datetime.now(UTC) - timedelta(hours=request["keep_hours"])
    spark.sql(
        f"call `{CATALOG}`.system.expire_snapshots(table => '{request['target']}',"
        f" older_than => timestamp '{oldest:%Y-%m-%d %H:%M:%S}', retain_last => 1)"
    )
    return {"rows": int(newest["total"]), "commit": commit, "snapshot": newest["snapshot_id"]}


def ask(spark: SparkSession, request: dict[str, Any]) -> dict[str, Any]:
    """The rows of a query as text, at most `limit` of them and one more. In parentheses it can be nothing but a query."""
    spark.sql(f"use `{CATALOG}`")
    answer = spark.sql(f"select * from (\n{request['query']}\n) limit {request['limit'] + 1}")
    rows = answer.selectExpr(*(f"cast(`{column}` as string)" for column in answer.columns)).collect()
    return {"columns": answer.columns, "rows": [list(row) for row in rows]}


def said(error: Exception) -> str:
    """The first line of what Spark or Java says, without Python's frame around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("An error occurred while calling")]
    return (told or [type(error).__name__])[0].removeprefix(": ")[:400]


def main() -> int:
    """Exit code 1 when there is an error; it is in the answer."""
    request = json.loads(Path(sys.argv[1]).read_text())
    started = time.monotonic()
    try:
        spark = session(request["workers"])
        ready = time.monotonic()
        answer = run_job(spark, request) if "target" in request else ask(spark, request)
        answer |= {"start_seconds": ready - started, "seconds": time.monotonic() - ready}
    except Refused as error:
        answer = {"error": str(error), "remedy": error.remedy}
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller tells it
        print(error, file=sys.stderr)
        answer = {"error": said(error), "remedy": ""}
    Path(sys.argv[2]).write_text(json.dumps(answer))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
