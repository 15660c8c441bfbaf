"""What the data looks like, without any data: an in-memory DuckDB with every mart of the dbt project, empty, as its contract
says, the monitoring tables, and those of the streaming lane. SQL of a dataset or a metric that does not bind there would not run in the warehouse.
"""

# ruff: noqa: S608 - what is tried here is SQL that the files hold

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb

from airbyte_config.documents import At, Document
from foundation.quoting import quoted
from foundation.settings import ROOT
from streaming.sink.minutes import PER_MINUTE
from streaming.sink.tables import LANDED, columns_of, table_of
from transformation.marts import COMPANIES, MARTS, marts

if TYPE_CHECKING:
    from dashboards.files import Assets


MONITORING = ROOT / "data-orchestration" / "orchestration" / "monitoring.sql"


@lru_cache(maxsize=1)
def empty_warehouse() -> duckdb.DuckDBPyConnection:
    """The marts that are published and the monitoring tables, empty."""
    connection = duckdb.connect()
    for schema in (MARTS, *COMPANIES):
        connection.execute(f"create schema {quoted(schema)}")
    for mart in marts():
        if mart.schema in (MARTS, *COMPANIES):
            columns = ", ".join(f"{quoted(column['name'])} {column['data_type']}" for column in mart.columns)
            connection.execute(f"create table {quoted(mart.schema)}.{quoted(mart.table)} ({columns})")
    connection.execute(MONITORING.read_text())
    for table, of_clickhouse in lane().items():
        listed = ", ".join(f"{quoted(name)} {duckdb_type(kind)}" for name, kind in of_clickhouse.items())
        connection.execute(f"create table {quoted(table)} ({listed})")
    return connection


def lane() -> dict[str, dict[str, str]]:
    """The lane's tables with ClickHouse's types. What a board asks of them has to be SQL that DuckDB takes, too."""
    tables = {table_of(topic): columns_of(topic) | {"stored_at": "DateTime64(3, 'UTC')"} for topic in LANDED}
    for view in PER_MINUTE:
        figures = {name: kind for name, (kind, _) in (view.by | view.figures).items()}
        tables[view.name] = {"minute": "DateTime('UTC')", **figures, "messages": "UInt64"}
    return tables


def duckdb_type(kind: str) -> str:
    """DuckDB's type for one of ClickHouse's."""
    if inner := re.fullmatch(r"(?:Nullable|LowCardinality)\((.*)\)", kind):
        return duckdb_type(inner[1])
    if kind.startswith(("Decimal", "Bool", "Float64")):
        return kind.replace("Float64", "double")
    if kind.startswith("DateTime"):
        return "timestamp"
    return {"Int32": "integer", "Int64": "bigint", "UInt64": "ubigint"}.get(kind, "varchar")


def source_of(document: Document) -> str:
    """A dataset in a `from` clause: its table, or its query."""
    data = document.data
    if "sql" in data:
        return f"(\n{data['sql'].strip()}\n) as virtual_table"
    return f"marts.{quoted(data['table'])}"


def types_of(document: Document, assets: Assets) -> dict[str, str]:
    """Type of each column of a dataset, calculated ones among them.

    Raises EltError naming file, line and column when one does not exist or its SQL does not bind.
    """
    connection = empty_warehouse()
    try:
        described = connection.execute(f"describe select * from {source_of(document)}").fetchall()
    except duckdb.Error as error:
        field = "sql" if "sql" in document.data else "table"
        raise document.error(
            (field,), f"{field}: {reason(error)}", "see data-transformation/models/marts"
        ) from None
    found = {row[0]: row[1] for row in described}
    wanted: dict[str, str] = {}
    for column, given in document.data["columns"].items():
        expression = (given or {}).get("sql")
        if expression is None and column not in found:
            raise document.error(
                ("columns", column),
                f"columns: there is no column {column}",
                "see data-transformation/models/marts",
            )
        wanted[column] = (
            found[column] if expression is None else bound(document, ("columns", column, "sql"), expression)
        )
    return wanted


def bound(
    document: Document, at: At, expression: str, *, over: Document | None = None, where: str = "true"
) -> str:
    """The type of an SQL expression over a dataset (the document itself, or `over`), of the rows for which `where` holds.

    Raises EltError, naming its place in the document, when it does not bind.
    """
    query = f"select {expression} as expression from {source_of(over or document)} where {where}"
    try:
        described = empty_warehouse().execute(f"describe {query}").fetchall()
    except duckdb.Error as error:
        place = ".".join(map(str, at))
        raise document.error(at, f"{place}: {reason(error)}", "mend the expression") from None
    return described[0][1]


def reason(error: Exception) -> str:
    """DuckDB's complaint in one line."""
    return str(error).strip().splitlines()[0]
