"""`.venv-lake/bin/python infrastructure/lake/tables.py < request`: bring Iceberg tables up to date with files that are in the lake.

The files are taken as they are, not copied. Which commits of the lake a table has is one of its properties, set in the
commit of the files: a second call adds nothing. Credentials come in the environment (AWS_…), never in the request.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

COMMIT, COMPACTION, TIME = "elt.commit", "elt.compaction", "elt.extracted_at"  # TIME: of the commit
TRIES = 5
TYPES: dict[str, IcebergType] = {
    "INTEGER": IntegerType(),
    "BIGINT": LongType(),
    "FLOAT": FloatType(),
    "DOUBLE": DoubleType(),
    "BOOLEAN": BooleanType(),
    "VARCHAR": StringType(),
    "DATE": DateType(),
    "TIME": TimeType(),
    "TIMESTAMP": TimestampType(),
    "TIMESTAMP WITH TIME ZONE": TimestamptzType(),
    "BLOB": BinaryType(),
}


def type_of(name: str) -> IcebergType:
    """Iceberg's type for one of the lake's."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name):
        return DecimalType(int(decimal[1]), int(decimal[2]))
    return TYPES[name]


def schema_of(columns: dict[str, str]) -> Schema:
    fields = [
        NestedField(number, name, type_of(type_), required=False)
        for number, (name, type_) in enumerate(columns.items(), 1)
    ]
    return Schema(*fields)


def up_to_date(catalog: Catalog, wanted: dict[str, Any]) -> dict[str, Any]:
    """Bring one table up to date; returns its name, how many files it took, and the compaction with which it agrees."""
    identifier = (wanted["namespace"], wanted["name"])
    for attempt in range(TRIES):
        try:
            return _brought(catalog, identifier, wanted)
        except CommitFailedException:  # another publisher was faster: look again
            if attempt == TRIES - 1:
                raise
    raise AssertionError


def _brought(catalog: Catalog, identifier: tuple[str, str], wanted: dict[str, Any]) -> dict[str, Any]:
    table = _table(catalog, identifier, wanted)
    had, agreed = int(table.properties.get(COMMIT, 0)), int(table.properties.get(COMPACTION, 0))
    steps = list(wanted["steps"])
    if other := _is_of_another_lake(table, wanted, had, agreed):
        agreed = 0
    if other or wanted["compaction"] > agreed:
        steps.insert(0, {"number": wanted["through"], "begins": True, "files": wanted["base"]})
        had = -1
    steps = [step for step in steps if step["number"] > had]
    first = max((index for index, step in enumerate(steps) if step["begins"]), default=0)
    begins = bool(steps) and steps[first]["begins"]
    files = [file for step in steps[first:] for file in step["files"]]
    with table.transaction() as transaction:
        if begins and table.current_snapshot() is not None:
            transaction.delete(AlwaysTrue())
        if files:
            transaction.add_files(files, check_duplicate_files=False)
        reached = {COMMIT: str(wanted["latest"]), COMPACTION: str(max(wanted["compaction"], agreed))}
        reached[TIME] = wanted["times"].get(str(wanted["latest"]), "")
        if any(table.properties.get(name) != value for name, value in reached.items()):
            transaction.set_properties(**reached)
    if files and begins:  # what only older snapshots have goes from the store after so long
        oldest = datetime.now(UTC) - timedelta(hours=wanted["keep_hours"])
        table.maintenance.expire_snapshots().older_than(oldest).commit()
    return {
        "table": ".".join(identifier),
        "files": len(files),
        "compaction": max(wanted["compaction"], agreed),
    }


def _is_of_another_lake(table: Table, wanted: dict[str, Any], had: int, agreed: int) -> bool:
    """Whether the table has commits that this lake has not: it is an older copy, or a new one, and the table is made from it again."""
    if had > wanted["latest"] or agreed > wanted["compaction"]:
        return True
    time = table.properties.get(TIME)
    return bool(time) and agreed == wanted["compaction"] and wanted["times"].get(str(had), time) != time


def _table(catalog: Catalog, identifier: tuple[str, str], wanted: dict[str, Any]) -> Table:
    """The table, made or with its columns as they are now. One whose types Iceberg cannot widen is made again: from the files of a
    compaction, or because its rows begin again anyway."""
    schema = schema_of(wanted["columns"])
    with contextlib.suppress(NamespaceAlreadyExistsError):
        catalog.create_namespace(identifier[0])
    try:
        table = catalog.load_table(identifier)
    except NoSuchTableError:
        return catalog.create_table(identifier, schema)
    present = {field.name: field.field_type for field in table.schema().fields}
    changed = [
        field for field in schema.fields if present.get(field.name, field.field_type) != field.field_type
    ]
    if any(not _widens(present[field.name], field.field_type) for field in changed):
        compacted = wanted["compaction"] > int(table.properties.get(COMPACTION, 0))
        if not compacted and wanted["began"] <= int(table.properties.get(COMMIT, 0)):
            names = ", ".join(field.name for field in changed)
            raise ValueError(f"{names}: the type has changed; run `elt lake compact`")
        catalog.drop_table(identifier)
        return catalog.create_table(identifier, schema)
    added = [field for field in schema.fields if field.name not in present]
    if added or changed:
        with table.update_schema() as update:
            for field in added:
                update.add_column(field.name, field.field_type)
            for field in changed:
                update.update_column(field.name, field_type=field.field_type)
        table = catalog.load_table(identifier)
    return table


def _widens(was: IcebergType, now: IcebergType) -> bool:
    """Whether Iceberg reads values of the one as the other."""
    if isinstance(was, DecimalType) and isinstance(now, DecimalType):
        return was.scale == now.scale and was.precision <= now.precision
    return (type(was), type(now)) in ((IntegerType, LongType), (FloatType, DoubleType))


def main() -> int:
    """Exit code 1 when a table could not be brought up to date; the others are."""
    request = json.load(sys.stdin)
    catalog = load_catalog("lake", **request["catalog"])
    done, failed = [], []
    for wanted in request["tables"]:
        try:
            done.append(up_to_date(catalog, wanted))
        except Exception as error:  # noqa: BLE001 - of one table: it is told with its name
            failed.append(f"{wanted['namespace']}.{wanted['name']}: {type(error).__name__}: {error}")
    json.dump({"done": done, "failed": failed}, sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
