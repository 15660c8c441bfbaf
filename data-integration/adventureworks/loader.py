"""`elt source load`: the original's CSV files into the source database."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg

from adventureworks.database import Report, replace_all
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
    files = find_files(folder)
    if not any(_has_rows(file) for file in files.values()):
        raise EltError(
            f"none of the {len(files)} files of {folder} has a row: the source would be emptied",
            "give the folder with the data (AW_DATA or --from); nothing was loaded",
        )
    content = {name: read_chunks(file) for name, file in files.items()}
    return replace_all(
        conn,
        content,
        describe=lambda name: files[name].name,
        report=report,
        reader=reader,
        origin=ORIGIN,
    )


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
