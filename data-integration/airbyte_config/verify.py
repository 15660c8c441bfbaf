"""Is the raw layer what the source is? Every stream, every row, every selected column; set-based on both sides.

Each stream of the source is read in one repeatable-read snapshot, as Arrow batches; the raw tables are read where they lie. DuckDB
compares, with the same types on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import duckdb
import pyarrow as pa

from airbyte_config.definitions import Actor, Connection, Definitions, FieldPath, Stream, load, path_of
from airbyte_config.documents import DIRECTORY
from airbyte_config.mapped import Mapped, mapped
from airbyte_config.raw_types import holds
from airbyte_config.row_comparison import Comparison, StreamResult, count
from airbyte_config.source import Source, Table, open_source
from airbyte_local.enums import SyncMode
from foundation.errors import EltError
from foundation.quoting import quoted
from foundation.settings import Settings
from foundation.settings import settings as current_settings
from foundation.warehouse import first_line, open_read_only

READERS = 2  # streams that are compared at a time: one alone waits for the source's process half of the time
MEMORY = "1GB"  # of DuckDB; what does not fit goes to disk


class NotComparableError(EltError):
    """A destination whose tables can't be read here."""


def verify(
    connection: str = "adventureworks",
    *,
    directory: Path = DIRECTORY,
    report: Callable[[StreamResult], None] = lambda result: None,
    settings: Settings | None = None,
    since: str | None = None,
    among: Mapping[str, pa.Table | None] | None = None,
    wait_seconds: float | None = None,
) -> list[StreamResult]:
    """Compare every stream of `connection` (as the files define it) with its raw table; never changes anything.

    `since` (`moment`): keys that the source has changed since then are left out on both sides. `among`: only these streams,
    and of each only these keys (None: all). `wait_seconds`: how long a writer of the warehouse is waited for. `report` gets
    each result as soon as it is known. Raises EltError when a side can't be read: source down, wrong password, no
    warehouse, warehouse in use (and by whom), a stream that the source does not have; NotComparableError when the
    destination is of a kind that is not read here.
    """
    settings = settings or current_settings()
    definitions = load(directory, settings)
    chosen = definitions.connection(connection)
    warehouse = _warehouse(definitions.destination_of(chosen), settings)
    streams = [stream for stream in chosen.definition.streams if among is None or stream.label in among]
    with (
        # first the warehouse, so that no sync can end between the source's snapshot and the look at raw
        open_read_only(
            warehouse, "elt airbyte verify", config={"memory_limit": MEMORY}, wait_seconds=wait_seconds
        ) as duck,
        ExitStack() as stack,
    ):
        free: SimpleQueue[tuple[Source, duckdb.DuckDBPyConnection]] = SimpleQueue()
        for _ in range(READERS):
            source = stack.enter_context(open_source(definitions.sources[chosen.definition.source]))
            free.put((source, stack.enter_context(duck.cursor())))

        def compared(stream: Stream) -> StreamResult:
            source, own = free.get()
            try:
                keys = among[stream.label] if among else None
                return _compare(definitions, chosen, stream, source, own, since, keys)
            finally:
                free.put((source, own))

        results = []
        with ThreadPoolExecutor(READERS) as pool:
            for result in pool.map(compared, streams):
                results.append(result)
                report(result)
        return results


def moment(
    connection: str = "adventureworks", *, directory: Path = DIRECTORY, settings: Settings | None = None
) -> str:
    """What the source of `connection` has committed by now; a sync that begins later brings all of it. Raises EltError."""
    definitions = load(directory, settings or current_settings())
    with open_source(definitions.sources[definitions.connection(connection).definition.source]) as source:
        return source.moment()


def _warehouse(destination: Actor, settings: Settings) -> Path:
    """The file with the raw tables; of a lake that into which it is loaded."""
    if destination.connector == "lake":
        return settings.warehouse_path
    if destination.connector != "duckdb":
        raise NotComparableError(
            f"verify can't read a {destination.connector} destination yet",
            "set AIRBYTE_DESTINATION=duckdb, or compare by hand",
        )
    return Path(destination.values["destination_path"])


def _compare(
    definitions: Definitions,
    connection: Connection,
    stream: Stream,
    source: Source,
    duck: duckdb.DuckDBPyConnection,
    since: str | None,
    among: pa.Table | None,
) -> StreamResult:
    table = source.tables.get((stream.namespace or "", stream.name))
    if table is None:
        raise connection.document.error(
            (*connection.at_stream(stream), "name"),
            f"the source has no table {stream.label}",
            "correct or remove the stream",
        )
    made = mapped(table, _selected(connection, stream, table), stream.mappers)
    default_schema = definitions.destination_of(connection).values.get("schema", "main")
    place = connection.definition.table_of(stream, default_schema)
    history = stream.sync_mode == SyncMode.INCREMENTAL_APPEND
    return compare(
        stream.label, table, made, _key(stream, table, made), source, duck, place, since, among, history
    )


def compare(
    label: str,
    table: Table,
    made: Mapped,
    key: list[str],
    source: Source,
    duck: duckdb.DuckDBPyConnection,
    place: tuple[str, str],
    since: str | None = None,
    among: pa.Table | None = None,
    history: bool = False,
) -> StreamResult:
    """One table of the source with the raw table `place` (schema, name); `made`: the columns that raw should have.

    `history`: raw has each change of a row, of which the last counts (change data capture).
    """
    schema, name = place
    columns = {name: column.type for name, column in made.columns.items()}
    held = _raw_columns(duck, schema, name)
    raw_table = f"{quoted(schema)}.{quoted(name)}"
    if history and LSN in held and key:
        by_key = ", ".join(map(quoted, key))
        raw_table = (
            f"(from {raw_table} qualify row_number() over (partition by {by_key} order by {LSN} desc) = 1)"
        )
    raw_table = _live(raw_table, held)
    if reason := _unlike(columns, table, held, f"{schema}.{name}"):
        return StreamResult(
            label, source.count(table), count(duck, raw_table) if held else None, reason=reason
        )
    made = made.typed(held)
    try:
        return Comparison(label, table, made, key, source, duck, raw_table, since, among).result()
    except duckdb.ConversionException as error:
        reason = f"a value of the source does not fit its type in raw: {first_line(error)}"
        return StreamResult(label, source.count(table), count(duck, raw_table), reason=reason)
    except duckdb.Error as error:
        raise EltError(
            f"{label} can't be compared: {first_line(error)}", "sync it again, then verify"
        ) from None


DELETED_AT, LSN = "_ab_cdc_deleted_at", "_ab_cdc_lsn"


def _live(table: str, held: dict[str, str]) -> str:
    """The table without the rows that are kept as deleted ones (change data capture), as SQL."""
    return f"(from {table} where {DELETED_AT} is null)" if DELETED_AT in held else table


def _key(stream: Stream, table: Table, made: Mapped) -> list[str]:
    """The key's columns in raw; none when one of them cannot be compared."""
    key = list(map(_column, stream.primary_key)) or table.primary_key
    names = [name for column in key if (name := made.name_of(column)) in made.compared]
    return names if len(names) == len(key) else []


def _column(field: FieldPath) -> str:
    """The column of a database; a path into one is no column, and keeps its dots for the message."""
    return ".".join(path_of(field))


def _selected(connection: Connection, stream: Stream, table: Table) -> list[str]:
    """The stream's columns in the source. Raises EltError for one that is not there."""
    for field, columns in (("primaryKey", stream.primary_key), ("selectedFields", stream.selected_fields)):
        for index, column in enumerate(map(_column, columns)):
            if column not in table.columns:
                raise connection.document.error(
                    (*connection.at_stream(stream), field, index),
                    f"{stream.label} has no column {column} in the source",
                    "correct the stream",
                )
    wanted = stream.selected_fields or table.columns
    return [column for column in table.columns if column in wanted]


def _raw_columns(duck: duckdb.DuckDBPyConnection, schema: str, name: str) -> dict[str, str]:
    query = """
        select column_name, data_type from duckdb_columns()
        where database_name = current_database() and schema_name = ? and table_name = ?
        order by column_index
    """
    return dict(duck.execute(query, [schema, name]).fetchall())


def _unlike(columns: dict[str, str], table: Table, held: dict[str, str], place: str) -> str:
    """Why the tables can't be compared row by row ("" when they can): table or column missing, wrong type, too much."""
    if not held:
        return f"raw has no table {place}"
    lacking = [column for column in columns if column not in held]
    if lacking:
        return f"{place} has no column {', '.join(lacking)}"
    left_out = [column for column in table.columns if column in held and column not in columns]
    if left_out:
        return f"{place} holds {', '.join(left_out)}, which the connection leaves out"
    return "; ".join(
        f"{place}.{column} is {held[column]} instead of {type_}"
        for column, type_ in columns.items()
        if not holds(held[column], type_)
    )
