"""From landing to processed, without a store: which rows are new, and that a replay says the same."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from airbyte_local.destinations.base import RAW_ID
from airbyte_local.destinations.lake.conform import conform, engine
from airbyte_local.destinations.lake.manifests import Field, Part

FIELD = Field("label", "text", "text", 0, 0, "VARCHAR")
PART = Part(
    namespace="shop",
    name="items",
    schema="shop",
    table="items",
    mode="incremental_append",
    generation=0,
    replaces=False,
    logged=False,
    emitted=False,
    rows_read=3,
    fields=(FIELD,),
    meta="{}",
)


def landed(folder: Path, *ids: str) -> Path:
    """A landing file of equal rows."""
    path = folder / f"{'-'.join(ids)}.parquet"
    pq.write_table(pa.table({"label": ["a"] * len(ids), RAW_ID: list(ids)}), path)
    return path


def test_of_equal_rows_that_are_read_again_the_same_are_new_each_time(tmp_path: Path) -> None:
    files = [landed(tmp_path, "3", "1"), landed(tmp_path, "2"), landed(tmp_path, "5", "4")]
    known, to = landed(tmp_path, "0", "00"), tmp_path / "processed.parquet"
    found = []
    with engine(tmp_path) as duck:
        for some in permutations(files):
            assert conform(duck, PART, "2024-01-01T00:00:00+00:00", some, known, to) == 3
            found.append(duck.execute(f"select {RAW_ID} from '{to}'").fetchall())
    assert found == [[("3",), ("4",), ("5",)]] * 6


def test_the_lakes_engine_has_a_limit_and_writes_into_the_scratch_folder_alone(tmp_path: Path) -> None:
    names = ("memory_limit", "temp_directory", "TimeZone", "autoload_known_extensions")
    settings = ", ".join(f"current_setting('{name}')" for name in names)
    with engine(tmp_path) as duck:
        limit, folder, zone, loads = duck.execute(f"select {settings}").fetchall()[0]
    with duckdb.connect(config={"memory_limit": "640MB"}) as other:
        assert other.execute("select current_setting('memory_limit')").fetchall() == [(limit,)]
    assert (folder, zone, loads) == (str(tmp_path), "UTC", False)
