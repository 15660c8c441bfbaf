"""Folders of the original's CSV files that can't be loaded, and folders of connectors that can't be read."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

from adventureworks.schema import tables
from tests.bad_inputs.case import Case, Place

FILE = "sales.store"
LOAD = ("source", "load", "--from", "{inputs}/csv")


def csv_files() -> dict[str, bytes]:
    """A folder that could be loaded, as far as that can be seen without a server: headers, and a row of one table."""
    files = {
        f"{name}.csv": (",".join(table.column_names) + "\n").encode() for name, table in tables().items()
    }
    files["production.culture.csv"] += b"en,English,2024-01-01 00:00:00\n"
    return files


def _header() -> list[str]:
    return list(tables()[FILE].column_names)


def _line(names: list[str]) -> bytes:
    return (",".join(names) + "\n").encode()


# what is bad → (files that differ, files that are missing, words of the answer)
def _folders() -> dict[str, tuple[dict[str, bytes], list[str], str]]:
    own, names = f"{FILE}.csv", _header()
    good = csv_files()
    packed = gzip.compress(good[own])
    alone = {name: text.partition(b"\n")[0] + b"\n" for name, text in good.items()}
    return {
        "one file missing": ({}, [own], f"lacks {FILE}.csv.gz"),
        "five files missing": ({}, sorted(good)[:5], "and 2 more"),
        "headers alone": (alone, [], "none of the 68 files"),
        "headers and blank lines": (
            {name: text + b"\n\n" for name, text in alone.items()},
            [],
            "none of the 68 files",
        ),
        "an empty file": ({own: b""}, [], f"{own}, line 1: wrong number of fields"),
        "no header": (
            {own: b"1,A Bike Store,279,,r,2024-01-01\n"},
            [],
            f"{own}, line 1: column name mismatch",
        ),
        "a column misspelt": ({own: _line(["id", *names[1:]])}, [], f'got "id", expected "{names[0]}"'),
        "a column too few": ({own: _line(names[:-1])}, [], f"got {len(names) - 1}, expected {len(names)}"),
        "a column too many": (
            {own: _line([*names, "more"])},
            [],
            f"got {len(names) + 1}, expected {len(names)}",
        ),
        "columns in another order": ({own: _line(names[::-1])}, [], f"{own}, line 1: column name mismatch"),
        "columns in capitals": ({own: _line([name.upper() for name in names])}, [], "column name mismatch"),
        "semicolons": ({own: ";".join(names).encode() + b"\n"}, [], f"{own}, line 1"),
        "tabs": ({own: "\t".join(names).encode() + b"\n"}, [], f"{own}, line 1"),
        "a quote that does not end": ({own: b'"businessentityid,name\n'}, [], f"{own}, line 1"),
        "a byte order mark": ({own: b"\xef\xbb\xbf" + good[own]}, [], f"{own}, line 1"),
        "UTF-16": ({own: good[own].decode().encode("utf-16")}, [], f"{own}, line 1: the header is no CSV"),
        "bytes that are no text": ({own: bytes(range(128, 256))}, [], f"{own}, line 1: the header is no CSV"),
        "a picture": ({own: b"\x89PNG\r\n\x1a\n" + bytes(64)}, [], f"{own}, line 1"),
        "no gzip": ({f"{own}.gz": good[own]}, [own], f"{own}.gz is damaged"),
        "gzip that was cut off": ({f"{own}.gz": packed[:-12]}, [own], f"{own}.gz is damaged"),
        "gzip with another checksum": (
            {f"{own}.gz": packed[:-8] + bytes(4) + packed[-4:]},
            [own],
            f"{own}.gz is damaged",
        ),
        "an empty gzip": ({f"{own}.gz": b""}, [own], f"{own}.gz, line 1"),
        "another table's file": (
            {own: good["sales.currency.csv"]},
            [],
            f"{own}, line 1: column name mismatch",
        ),
        "files of another ending": (
            {name.replace(".csv", ".txt"): text for name, text in good.items()},
            sorted(good),
            "lacks humanresources",
        ),
    }


def _folder(changed: dict[str, bytes], missing: list[str]) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        folder = place.inputs / "csv"
        folder.mkdir()
        for name, content in {**csv_files(), **changed}.items():
            if name not in missing:
                (folder / name).write_bytes(content)

    return prepare


def _link(place: Place) -> None:
    _folder({}, [])(place)
    file = place.inputs / "csv" / f"{FILE}.csv"
    file.unlink()
    file.symlink_to("nowhere.csv")


def _directory(place: Place) -> None:
    _folder({}, [f"{FILE}.csv"])(place)
    (place.inputs / "csv" / f"{FILE}.csv").mkdir()


# ------------------------------------------------------------------------------------------------ connectors

PROJECT = """\
[project]
name = "source-shop"
version = "1.0.0"
[tool.elt.connector]
type = "shop"
name = "Shop"
definition-id = "3f3b2f0e-0d0e-4c39-9ac7-9a7cf4a1d001"
command = ["source-shop"]
"""
# what is bad → (piece, its replacement, words of the answer)
CONNECTORS: dict[str, tuple[str, str, str]] = {
    "no TOML": ("[project]", "[project", "pyproject.toml"),
    "a key twice": ('name = "Shop"', 'name = "Shop"\nname = "Store"', "pyproject.toml"),
    "no type": ('type = "shop"\n', "", "[tool.elt.connector] lacks type"),
    "an empty name": ('name = "Shop"', 'name = ""', "[tool.elt.connector] lacks name"),
    "no command": ('command = ["source-shop"]\n', "", "[tool.elt.connector] lacks command"),
    "a command that is a text": ('["source-shop"]', '"source-shop"', "command"),
    "a type that is a list": ('type = "shop"', 'type = ["shop"]', "type"),
    "a definition's id that is none": ("3f3b2f0e-0d0e-4c39-9ac7-9a7cf4a1d001", "shop", "definition-id"),
    "no version": ('version = "1.0.0"\n', "", "version"),
    "no project": ('[project]\nname = "source-shop"\nversion = "1.0.0"\n', "", "version"),
    "a silence that is a text": (
        'name = "Shop"',
        'name = "Shop"\nsilence-seconds = "long"',
        "silence-seconds",
    ),
    "a silence below nothing": ('name = "Shop"', 'name = "Shop"\nsilence-seconds = -1', "silence-seconds"),
    "the type of another": ('type = "shop"', 'type = "web-events"', "the type web-events is also that of"),
    "a table that is a text": (
        PROJECT[PROJECT.index("[tool") :],
        '[tool.elt]\nconnector = "shop"\n',
        "connector",
    ),
}


def _connector(content: bytes) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        folder = place.inputs / "connectors" / "source-shop"
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_bytes(content)

    return prepare


def cases() -> Iterator[Case]:
    area = "CSV folders"
    for name, (changed, missing, says) in _folders().items():
        yield Case(area, name, LOAD, says, prepare=_folder(changed, missing))
    yield Case(area, "a link to nothing", LOAD, f"lacks {FILE}.csv.gz", prepare=_link)
    yield Case(area, "a folder in a file's place", LOAD, f"lacks {FILE}.csv.gz", prepare=_directory)
    area, words = "connectors", ("connectors", "list")
    environ = {"AIRBYTE_CONNECTORS": "{inputs}/connectors"}
    for name, (piece, replacement, says) in CONNECTORS.items():
        assert PROJECT.count(piece) == 1, piece
        content = PROJECT.replace(piece, replacement).encode()
        yield Case(area, name, words, says, environ, _connector(content))
    yield Case(area, "bytes that are no text", words, "pyproject.toml", environ, _connector(b"\xff\xfe\x00"))
