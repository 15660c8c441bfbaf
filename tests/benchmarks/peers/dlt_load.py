"""dlt: `sql_table` with the backend that the task names, merged by primary key into DuckDB. Timed without the imports."""

import json
import os
import sys
import time

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.credentials import ConnectionStringCredentials
from dlt.sources.sql_database import sql_table
from sqlalchemy import URL

task = json.load(sys.stdin)
address = URL.create(
    "postgresql+psycopg2",
    username=task["user"],
    password=task["password"],
    host=task["host"],
    port=task["port"],
    database=task["dbname"],
)
backend = {
    # the whole result in one go, as dlt does by default, and as Arrow
    "connectorx": {"backend": "connectorx", "backend_kwargs": {"return_type": "arrow"}},
    "pyarrow": {"backend": "pyarrow", "chunk_size": 100_000},
}[task["backend"]]

started = time.monotonic()
table = sql_table(
    credentials=ConnectionStringCredentials(address.render_as_string(hide_password=False)),
    schema=task["schema"],
    table=task["table"],
    write_disposition="merge",
    primary_key=task["key"],
    **backend,
)
pipeline = dlt.pipeline(
    pipeline_name="benchmark",
    pipelines_dir=f"{task['folder']}/pipelines",
    destination=dlt.destinations.duckdb(task["warehouse"]),
    dataset_name="copied",
)
pipeline.run(table).raise_on_failed_jobs()
print(json.dumps({"seconds": time.monotonic() - started, "table": f"copied.{task['table']}"}))
