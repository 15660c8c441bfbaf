"""Files of state that are damaged, empty or foreign: secrets, warehouse, published versions, monitoring, backups."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb

from orchestration.sealed import MANIFEST, seal
from tests.bad_inputs.case import Case, Place

Prepare = Callable[[Place], None]
FOREIGN = {
    "empty": b"",
    "a text": b"nothing to see here\n" * 300,
    "zeros": bytes(8192),
    "no text": b"\xff\xfe\x00" * 99,
}


def _file(name: str, content: bytes) -> Prepare:
    """A file below ELT_HOME with this content, whatever had its name."""

    def prepare(place: Place) -> None:
        path = place.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)

    return prepare


def _all(*steps: Prepare) -> Prepare:
    def prepare(place: Place) -> None:
        for step in steps:
            step(place)

    return prepare


def _folder(name: str) -> Prepare:
    def prepare(place: Place) -> None:
        path = place.home / name
        if path.exists():
            path.unlink()
        path.mkdir(parents=True)

    return prepare


def _link(name: str, to: str) -> Prepare:
    def prepare(place: Place) -> None:
        path = place.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)

    return prepare


def _warehouse(place: Place) -> None:
    """A warehouse with one mart."""
    with duckdb.connect(place.home / "warehouse.duckdb") as duck:
        duck.execute("create schema marts; create table marts.obt_sales as select 1 as order_id")


def _cut(place: Place) -> None:
    """The first half of a warehouse."""
    _warehouse(place)
    path = place.home / "warehouse.duckdb"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _sqlite(name: str) -> Prepare:
    def prepare(place: Place) -> None:
        with closing(sqlite3.connect(place.home / name)) as lite:
            lite.execute("create table sale (id integer)")

    return prepare


def _secrets() -> Iterator[Case]:
    area, words = "secrets.env", ("status",)
    name = "secrets.env"
    for what, content, says in (
        ("empty", b"", "secrets.env is empty"),
        ("comments alone", b"# nothing\n", "secrets.env is empty"),
        ("names of others", b"OTHER=1\n", "secrets.env is empty"),
        ("no text", b"\xff\xfe\x00", "secrets.env can't be read"),
        ("a line that is none", b"METADATA_PASSWORD=a\nnonsense\n", "secrets.env, line 2"),
        ("a quote that does not end", b"METADATA_PASSWORD='a\n", "secrets.env, line 1"),
    ):
        yield Case(area, what, words, says, prepare=_file(name, content))
    for key, value in (
        ("AIRBYTE_ENCRYPTION_KEY", "short"),
        ("AIRFLOW_FERNET_KEY", "short"),
        ("SLACK_WEBHOOK_TOKEN", "of two words"),
        ("WEB_API_TOKEN", "of two words"),
        ("METADATA_PASSWORD", '"a\\nb"'),
    ):
        yield Case(
            *(area, f"{key} of another form", words, f"set {key} in {{home}}/secrets.env"),
            prepare=_file(name, f"{key}={value}\n".encode()),
        )

    def open_to_others(place: Place) -> None:
        (place.home / name).chmod(0o644)

    def lost(place: Place) -> None:
        _file("airbyte/airbyte.sqlite", b"")(place)
        (place.home / name).unlink()

    def pipe(place: Place) -> None:
        (place.home / name).unlink()
        os.mkfifo(place.home / name, 0o600)

    yield Case(area, "a named pipe", words, "secrets.env can't be read: it is a named pipe", prepare=pipe)
    yield Case(area, "open to others", words, "can be read by others (mode 0644)", prepare=open_to_others)
    yield Case(area, "lost, with what was made with it", words, "secrets.env is lost", prepare=lost)
    yield Case(
        area,
        "a folder",
        words,
        "secrets.env",
        prepare=_all(_folder(name), lambda p: (p.home / name).chmod(0o700)),
    )


def _warehouses() -> Iterator[Case]:
    area = "warehouse"
    name = "warehouse.duckdb"
    bad = {what: _file(name, content) for what, content in FOREIGN.items()} | {
        "cut off": _cut,
        "SQLite's": _sqlite(name),
        "a folder": _folder(name),
        "a link in a circle": _link(name, name),
    }
    for what, prepare in bad.items():
        for words in (
            ("sql", "select 1"),
            ("publish",),
            ("airbyte", "verify"),
            ("backup",),
            ("build", "--select", "dim_date"),
        ):
            yield Case(area, f"{what}: elt {words[0]}", words, name, prepare=prepare)
    yield Case(
        area, "no marts", ("publish",), "the warehouse has no tables in schema marts", prepare=_no_marts
    )


def _no_marts(place: Place) -> None:
    duckdb.connect(place.home / "warehouse.duckdb").close()


RECORD = {
    "number": 1,
    "run": "elt publish",
    "published_at": "2026-01-31T12:00:00Z",
    "seconds": 1.5,
    "tables": {"obt_sales": 1},
}


def _version(record: bytes) -> Prepare:
    """A published version with this record."""

    def prepare(place: Place) -> None:
        folder = place.home / "serving" / "v1"
        folder.mkdir(parents=True)
        duckdb.connect(folder / "adventureworks.duckdb").close()
        (folder / "published.json").write_bytes(record)
        (place.home / "serving" / "current").symlink_to("v1")

    return prepare


def _published() -> Iterator[Case]:
    area = "published versions"
    good = json.dumps(RECORD).encode()
    records: dict[str, bytes] = {
        "empty": b"",
        "no JSON": good[:-9],
        "no text": b"\xff\xfe\x00",
        "a list": b"[]",
        "null": b"null",
        "no number": json.dumps({k: v for k, v in RECORD.items() if k != "number"}).encode(),
        "a number that is a text": json.dumps(RECORD | {"number": "one"}).encode(),
        "a field more": json.dumps(RECORD | {"more": 1}).encode(),
        "tables that are a list": json.dumps(RECORD | {"tables": ["obt_sales"]}).encode(),
        "rows that are a text": json.dumps(RECORD | {"tables": {"obt_sales": "many"}}).encode(),
        "another version's number": json.dumps(RECORD | {"number": 7}).encode(),
    }
    for what, record in records.items():
        yield Case(
            area, f"published.json: {what}", ("publish", "--list"), "published.json", prepare=_version(record)
        )
    for what, record in list(records.items())[:3]:
        yield Case(
            *(area, f"published.json: {what}: --rollback", ("publish", "--rollback"), "published.json"),
            prepare=_version(record),
        )
    holds: dict[str, bytes] = {
        "empty": b"",
        "no JSON": b'{"number": 1',
        "no text": b"\xff\xfe\x00",
        "a list": b"[1]",
        "no number": b'{"since": "2026-01-31T12:00:00Z"}',
        "a number that is a text": b'{"number": "one", "since": "2026-01-31T12:00:00Z"}',
        "an infinite number": b'{"number": 1e999, "since": "2026-01-31T12:00:00Z"}',
        "no number at all": b'{"number": NaN, "since": "2026-01-31T12:00:00Z"}',
        "no moment": b'{"number": 1}',
    }
    for what, hold in holds.items():
        prepare = _all(_warehouse, _version(good), _file("serving/held.json", hold))
        for words in (("publish", "--list"), ("publish",), ("status",)):
            yield Case(area, f"held.json: {what}: elt {' '.join(words)}", words, "held.json", prepare=prepare)
    query = ("sql", "--serving", "select 1")
    shown = "serving/current/adventureworks.duckdb"
    for what, content in FOREIGN.items():
        name = "serving/v1/adventureworks.duckdb"
        yield Case(
            area, f"the file: {what}", query, shown, prepare=_all(_version(good), _file(name, content))
        )
    yield Case(area, "current: a link to nothing", query, shown, prepare=_link("serving/current", "v9"))
    yield Case(area, "current: a link in a circle", query, shown, prepare=_link("serving/current", "current"))
    yield Case(area, "current: a file", query, shown, prepare=_file("serving/current", b"v1"))
    yield Case(area, "serving: a file", ("publish", "--list"), "serving", prepare=_file("serving", b""))


def _monitoring() -> Iterator[Case]:
    area, words = "monitoring", ("runs",)
    name = "monitoring.duckdb"
    for what, content in FOREIGN.items():
        yield Case(area, what, words, name, prepare=_file(name, content))
    yield Case(area, "SQLite's", words, name, prepare=_sqlite(name))
    yield Case(area, "a folder", words, name, prepare=_folder(name))
    yield Case(area, "a link to nothing", words, name, prepare=_link(name, "nowhere/monitoring.duckdb"))


# ------------------------------------------------------------------------------------------------ backups

NAME = "2026-01-31T120000Z"


def _backup(place: Place) -> Path:
    """A backup as `elt backup` makes it, of a home that has little."""
    folder = place.home / "backups" / NAME
    folder.mkdir(parents=True, mode=0o700)
    shutil.copyfile(place.home / "secrets.env", folder / "secrets.env")
    with duckdb.connect(folder / "warehouse.duckdb") as duck:
        duck.execute("create schema snapshots; create table snapshots.customers as select 1 as id")
    seal(folder)
    for path in folder.iterdir():
        path.chmod(0o600)
    _warehouse(place)
    return folder


def _damaged(change: Callable[[Path], object]) -> Prepare:
    def prepare(place: Place) -> None:
        change(_backup(place))

    return prepare


def _manifest(**changed: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text()) | changed
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return change


def _flip(folder: Path) -> None:
    path = folder / "warehouse.duckdb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _other_secrets(folder: Path) -> None:
    (folder / "secrets.env").write_text("METADATA_PASSWORD=another\n")
    seal(folder)


def _linked(folder: Path) -> None:
    moved = folder.rename(folder.parent.parent.parent / "inputs" / folder.name)
    folder.symlink_to(moved, target_is_directory=True)


def _backups() -> Iterator[Case]:
    area, words = "backups", ("restore", "--yes")
    bad: dict[str, tuple[Callable[[Path], object], str]] = {
        "a bit that differs": (_flip, "warehouse.duckdb is damaged"),
        "a file cut off": (
            lambda f: (f / "warehouse.duckdb").write_bytes(b"cut"),
            "warehouse.duckdb is damaged",
        ),
        "a file emptied": (lambda f: (f / "secrets.env").write_bytes(b""), "secrets.env is damaged"),
        "a file lost": (lambda f: (f / "warehouse.duckdb").unlink(), "warehouse.duckdb is missing"),
        "a file more": (lambda f: (f / "airflow.dump").touch(), "airflow.dump is not in the manifest"),
        "a hidden file more": (lambda f: (f / ".more").touch(), ".more is not in the manifest"),
        "a folder more": (lambda f: (f / "more").mkdir(), "more is no plain file"),
        "a link in a file's place": (
            lambda f: ((f / "secrets.env").unlink(), (f / "secrets.env").symlink_to("../../secrets.env")),
            "secrets.env is no plain file",
        ),
        "a link more": (lambda f: (f / "more").symlink_to("/etc/hosts"), "more is no plain file"),
        "a link to the folder": (_linked, "there is no backup"),
        "no manifest": (lambda f: (f / MANIFEST).unlink(), f"has no {MANIFEST}"),
        "an empty manifest": (lambda f: (f / MANIFEST).write_bytes(b""), f"{MANIFEST} is damaged"),
        "a manifest that is no JSON": (lambda f: (f / MANIFEST).write_text("{"), f"{MANIFEST} is damaged"),
        "a manifest that is no text": (
            lambda f: (f / MANIFEST).write_bytes(b"\xff\x00"),
            f"{MANIFEST} is damaged",
        ),
        "a manifest that is a list": (lambda f: (f / MANIFEST).write_text("[]"), f"{MANIFEST} is damaged"),
        "files that are a text": (_manifest(files="all"), f"{MANIFEST} is damaged"),
        "files that are null": (_manifest(files=None), f"{MANIFEST} is damaged"),
        "a manifest of no file": (_manifest(files={}), "is not in the manifest"),
        "a file of the manifest elsewhere": (_manifest(files={"../secrets.env": {}}), "is missing"),
        "a newer format": (_manifest(format=99), "has the format 99"),
        "a format that is null": (_manifest(format=None), "has the format None"),
        "other secrets": (_other_secrets, "the secrets of"),
        "an unfinished one alone": (lambda f: f.rename(f.with_name(f".{f.name}")), "there is no backup"),
        "an empty folder": (lambda f: (shutil.rmtree(f), f.mkdir()), f"has no {MANIFEST}"),
        "a file in the folder's place": (lambda f: (shutil.rmtree(f), f.touch()), "there is no backup"),
    }
    for what, (change, says) in bad.items():
        yield Case(area, what, words, says, prepare=_damaged(change))
    yield Case(
        area,
        "another name",
        ("restore", "2026-02-01T000000Z", "--yes"),
        NAME,
        prepare=_damaged(lambda f: None),
    )
    yield Case(
        area, "a path", ("restore", f"../backups/{NAME}", "--yes"), NAME, prepare=_damaged(lambda f: None)
    )
    yield Case(area, "backups: a file", ("backup",), "backups", prepare=_file("backups", b""))
    store = "airbyte/airbyte.sqlite"
    for what, content in FOREIGN.items():
        if content:
            yield Case(
                area, f"Airbyte's store: {what}", ("backup",), "airbyte.sqlite", prepare=_file(store, content)
            )


def _notes() -> Iterator[Case]:
    area, words = "erasures", ("privacy", "erase", "--customer", "1", "--yes")
    name = "privacy/customer-1.json"
    for what, content in {
        "empty": b"",
        "no JSON": b'{"customer": 1, "runs": [',
        "no text": b"\xff\xfe\x00",
        "a list": b"[]",
        "no runs": b'{"customer": 1}',
        "runs that are a number": b'{"customer": 1, "runs": 1}',
        "a run of other fields": b'{"customer": 1, "runs": [{"when": "now"}]}',
    }.items():
        yield Case(area, what, words, "customer-1.json", prepare=_file(name, content))


def cases() -> Iterator[Case]:
    for part in (_secrets, _warehouses, _published, _monitoring, _backups, _notes):
        yield from part()
