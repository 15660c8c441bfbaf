"""Arrow data on its way to COPY."""

import csv
import io
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from adventureworks.arrow import ROWS_PER_CHUNK, csv_chunks
from adventureworks.schema import tables


def test_nulls_empty_strings_bytes_and_decimals_keep_their_difference() -> None:
    table = tables()["production.productphoto"]
    data = pa.table(
        {
            "modifieddate": pa.array([datetime(2026, 1, 2, 3, 4, 5, 60)] * 2, pa.timestamp("us")),
            "productphotoid": pa.array([1, 2], pa.int32()),
            "thumbnailphoto": pa.array([b"\x00\xff", None], pa.binary()),
            "thumbnailphotofilename": pa.array(["", None]).dictionary_encode(),
            "largephoto": pa.array([b"", None], pa.large_binary()),
            "largephotofilename": pa.array(['a "b", c\nd', "NULL"]),
        }
    )
    text = b"".join(csv_chunks(table, data)).decode()
    assert text.splitlines()[0] == ",".join(f'"{name}"' for name in table.column_names)
    assert '1,"\\x00ff","","\\x","a ""b"", c\nd",2026-01-02 03:04:05.000060\n' in text
    assert '2,,,,"NULL",2026-01-02 03:04:05.000060\n' in text


def test_decimals_are_written_to_the_last_digit() -> None:
    table = tables()["sales.currencyrate"]
    row = {name: pa.array(["x"]) for name in table.column_names}
    row["averagerate"] = pa.array([Decimal("12345678901234.5678901")], pa.decimal128(30, 7))
    (_, line) = csv.reader(io.StringIO(b"".join(csv_chunks(table, pa.table(row))).decode()))
    assert line[table.column_names.index("averagerate")] == "12345678901234.5678901"


def test_long_tables_are_cut_into_chunks_and_batches_taken_as_they_come() -> None:
    table = tables()["production.illustration"]
    rows = ROWS_PER_CHUNK + 1
    data = pa.table(
        {"illustrationid": range(rows), "diagram": ["d"] * rows, "modifieddate": ["2026-01-01"] * rows}
    )
    assert len(list(csv_chunks(table, data))) == 3
    assert b"".join(csv_chunks(table, iter(data.to_batches()))).count(b"\n") == rows + 1
