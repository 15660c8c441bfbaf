"""`elt source load`: the original's CSV files into the source database."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import psycopg

from adventureworks.database import NOTHING_LOADED, Report, replace_all
from adventureworks.schema import Table, tables
from foundation.errors import EltError

CHUNK_BYTES = 1 << 18
ORIGIN = "original CSV files"


def load(
    conn: psycopg.Connection, folder: Path, report: Report | None = None, reader: str | None = None
) -> dict[str, int]:
    """Replace the database's content by the 68 files of `folder`; returns rows per table.

    A table's file is `<schema>.<table>.csv.gz` or `<schema>.<table>.csv`: UTF-8, comma, header line, NULL as an empty
    unquoted field. Raises EltError, and loads nothing, when the folder or a file is missing or malformed.
    """
    files = check_files(folder)
    content = {name: read_chunks(file) for name, file in files.items()}
    return replace_all(
        conn,
        content,
        describe=lambda name: files[name].name,
        report=report,
        reader=reader,
        origin=ORIGIN,
    )


def check_files(folder: Path) -> dict[str, Path]:
    """The file of each table, as far as that needs no server. Raises EltError: one is missing, can't be read or unpacked at its
    beginning, has another header, or none has a row."""
    files = find_files(folder)
    for name, file in files.items():
        _check_header(file, tables()[name].column_names)
    if not any(_has_rows(file) for file in files.values()):
        raise EltError(
            f"none of the {len(files)} files of {folder} has a row: the source would be emptied",
            "give the folder with the data (AW_DATA or --from); nothing was loaded",
        )
    return files


def _check_header(file: Path, wanted: tuple[str, ...]) -> None:
    """Raises EltError that names the first column that differs, as PostgreSQL does for `header match`."""
    line = next(read_chunks(file), b"").partition(b"\n")[0].rstrip(b"\r")
    try:
        found = next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise EltError(
            f"{file.name}, line 1: the header is no CSV of UTF-8: {error}", NOTHING_LOADED
        ) from None
    if found != list(wanted):
        pairs = enumerate(zip_longest(found, wanted), 1)
        number, (got, expected) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
        if got is None or expected is None:
            said = f"wrong number of fields in the header: got {len(found)}, expected {len(wanted)}"
        else:
            said = f'column name mismatch in header field {number}: got "{got}", expected "{expected}"'
        raise EltError(f"{file.name}, line 1: {said}", NOTHING_LOADED)


def find_files(folder: Path) -> dict[str, Path]:
    """The file of each table. Raises EltError that names the folder, or the first files, that are missing."""
    remedy = "give the folder with the 68 files <schema>.<table>.csv.gz (AW_DATA or --from)"
    if not folder.is_dir():
        raise EltError(f"the folder {folder} is not there", remedy)
    files = {name: file for name, table in tables().items() if (file := _file_of(folder, table))}
    missing = [f"{name}.csv.gz" for name in tables() if name not in files]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise EltError(f"{folder} lacks {', '.join(missing[:3])}{more}", remedy)
    return files


def _file_of(folder: Path, table: Table) -> Path | None:
    candidates = (folder / f"{table.qualified}.csv.gz", folder / f"{table.qualified}.csv")
    return next((path for path in candidates if path.is_file()), None)


def _has_rows(file: Path) -> bool:
    """Whether anything comes after a file's header line."""
    text = b"".join(chunk for chunk, _ in zip(read_chunks(file), range(2), strict=False))
    return bool(text.partition(b"\n")[2].strip())


def read_chunks(file: Path) -> Iterator[bytes]:
    """A file's bytes, unpacked, a quarter megabyte at a time. Raises EltError when it can't be read or unpacked."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise EltError(
            f"{file.name} is damaged: {error}", "fetch the file again; nothing was loaded"
        ) from None
    except OSError as error:
        raise EltError(
            f"{file} can't be read: {error.strerror}", "check its permissions; nothing was loaded"
        ) from None
