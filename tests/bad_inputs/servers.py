"""Inputs that only a server can refuse: rows of the source's files, names and passwords, what Airbyte or the source does not have."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

from tests.bad_inputs.case import Case, Place
from tests.bad_inputs.files import CONNECTIONS, C, with_piece
from tests.bad_inputs.folders import LOAD, csv_files

COUNTRY, STATE = "person.countryregion.csv", "person.stateprovince.csv"
GOOD = b"DE,Germany,2024-01-01 00:00:00\n"
# what is bad → (file, its rows, words of the answer)
ROWS: dict[str, tuple[str, bytes, str]] = {
    "a field too few": (COUNTRY, b"DE,Germany\n", f"{COUNTRY}, line 2"),
    "a field too many": (COUNTRY, GOOD + b"FR,France,2024-01-01,more\n", f"{COUNTRY}, line 3"),
    "a day that no month has": (
        COUNTRY,
        b"DE,Germany,2024-02-30\n",
        f"{COUNTRY}, line 2, column modifieddate",
    ),
    "a day that is a text": (COUNTRY, b"DE,Germany,someday\n", f"{COUNTRY}, line 2, column modifieddate"),
    "no value where one has to be": (COUNTRY, b"DE,,2024-01-01\n", f"{COUNTRY}, line 2"),
    "a text that is too long": (
        COUNTRY,
        b"DEUT,Germany,2024-01-01\n",
        f"{COUNTRY}, line 2, column countryregioncode",
    ),
    "a key twice": (COUNTRY, GOOD + GOOD, f"{COUNTRY}: Key (countryregioncode)=(DE)"),
    "a quote that does not end": (
        COUNTRY,
        b'DE,"Germany,2024-01-01\n',
        f"{COUNTRY}, line 3: unterminated CSV quoted field",
    ),
    "no UTF-8": (COUNTRY, b"DE,\xff\xfe,2024-01-01\n", f"{COUNTRY}, line 2: invalid byte sequence"),
    "a NUL": (COUNTRY, b"DE,Ger\0many,2024-01-01\n", f"{COUNTRY}, line 2: invalid byte sequence"),
    "a number that is a text": (
        STATE,
        b"one,BY,DE,t,Bavaria,1,4a2b9b5e-61a6-4b8f-9a41-33d54e3f2b11,2024-01-01\n",
        f"{STATE}, line 2, column stateprovinceid",
    ),
    "a number beyond its type": (
        STATE,
        b"99999999999,BY,DE,t,Bavaria,1,4a2b9b5e-61a6-4b8f-9a41-33d54e3f2b11,2024-01-01\n",
        f"{STATE}, line 2, column stateprovinceid",
    ),
    "a truth that is none": (
        STATE,
        b"1,BY,DE,perhaps,Bavaria,1,4a2b9b5e-61a6-4b8f-9a41-33d54e3f2b11,2024-01-01\n",
        f"{STATE}, line 2, column isonlystateprovinceflag",
    ),
    "an id that is none": (
        STATE,
        b"1,BY,DE,t,Bavaria,1,nobody,2024-01-01\n",
        f"{STATE}, line 2, column rowguid",
    ),
    "a row that points to nothing": (
        STATE,
        b"1,BY,XX,t,Bavaria,1,4a2b9b5e-61a6-4b8f-9a41-33d54e3f2b11,2024-01-01\n",
        "person.stateprovince (",
    ),
}


def _rows(file: str, rows: bytes) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        folder = place.inputs / "csv"
        folder.mkdir()
        for name, content in csv_files().items():
            (folder / name).write_bytes(content + rows if name == file else content)

    return prepare


def _cut(place: Place) -> None:
    """A file that ends in the middle of its rows."""
    _rows(COUNTRY, b"")(place)
    whole = place.inputs / "csv" / COUNTRY
    content = whole.read_bytes() + b"".join(
        b"%03d,Country %d,2024-01-01\n" % (number, number**9) for number in range(1000)
    )
    whole.unlink()
    packed = gzip.compress(content)
    whole.with_name(f"{COUNTRY}.gz").write_bytes(packed[: len(packed) * 3 // 4])


# what is bad → (words, variables, words of the answer)
SOURCE: dict[str, tuple[str, dict[str, str], str]] = {
    "the owner's password": (
        "shop day",
        {"SOURCE_OWNER_PASSWORD": "guessed"},  # pragma: allowlist secret
        "set SOURCE_OWNER_PASSWORD",
    ),
    "the reader's password": (
        "source status",
        {"SOURCE_READER_PASSWORD": "guessed"},  # pragma: allowlist secret
        "set SOURCE_READER_PASSWORD",
    ),
    "a database that is not there": (
        "source status",
        {"SOURCE_DATABASE": "nowhere"},
        "has no database nowhere",
    ),
    "an owner who is not there": ("shop day", {"SOURCE_OWNER": "nobody"}, "refuses the password of nobody"),
    "a reader who is not there": (
        "source checksum",
        {"SOURCE_READER": "nobody"},
        "refuses the password of nobody",
    ),
    "an owner who owns nothing": (
        "shop day",
        {"SOURCE_OWNER": "airbyte_reader"},
        "refuses the password of airbyte_reader",
    ),
    "a customer who is not there": ("privacy erase --customer 2000000000 --yes", {}, "2000000000"),
    "a customer who is not there, tried": ("privacy erase --customer 2000000000 --dry-run", {}, "2000000000"),
}
AIRBYTE: dict[str, tuple[str, dict[str, str], str]] = {
    "the client's secret": (
        "airbyte jobs",
        {"AIRBYTE_CLIENT_SECRET": "guessed"},  # pragma: allowlist secret
        "set AIRBYTE_CLIENT_ID",
    ),
    "a client who is not there": (
        "airbyte jobs",
        {"AIRBYTE_CLIENT_ID": "nobody"},
        "the log-in of client nobody",
    ),
    "a workspace that is not there": ("airbyte jobs", {"AIRBYTE_WORKSPACE": "attic"}, "attic"),
    "another address": (
        "airbyte jobs",
        {"AIRBYTE_URL": "http://127.0.0.1:1/api"},
        "does not answer at http://127.0.0.1:1/api",
    ),
    "a job that is not there, its log": ("airbyte logs 2000000000", {}, "2000000000"),
    "a job that is not there, cancelled": ("airbyte cancel 2000000000", {}, "2000000000"),
    "a connection that is not there, its jobs": ("airbyte jobs --connection nowhere", {}, "nowhere"),
    "a connection that is not there, synced": ("sync --connection nowhere", {}, "nowhere"),
    "a connection that is not there, refreshed": ("airbyte refresh nowhere", {}, "nowhere"),
    "a connection that is not there, cleared": ("airbyte clear nowhere", {}, "nowhere"),
    "a connection that is not there, reset": ("airbyte reset nowhere", {}, "nowhere"),
    "a connection that is not there, exported": (
        "airbyte export --connection nowhere --to {inputs}/files",
        {},
        "nowhere",
    ),
}
# (what is bad, file, piece, its replacement, words of the answer), of connection files that are right for themselves; Airbyte holds
# what they say without that
UNFIT: list[tuple[str, str, str, str, str]] = [
    (
        "a stream that is not there",
        C,
        "name: store",
        "name: stores",
        "line 12: the source has no stream sales.stores",
    ),
    (
        "a schema that is not there",
        C,
        "namespace: sales",
        "namespace: sale",
        "line 12: the source has no stream sale.store",
    ),
    ("a key that is not there", C, "[businessentityid]\n    sel", "[id]\n    sel", "orders.yaml, line "),
    (
        "a cursor that is not there",
        C,
        "cursorField: modifieddate",
        "cursorField: changed",
        "orders.yaml, line ",
    ),
    ("a column that is not there", C, "name, modifieddate]", "names, modifieddate]", "orders.yaml, line "),
    (
        "a sync mode that nobody has",
        C,
        "incremental_deduped_history",
        "full_refresh_soft_delete",
        "orders.yaml, line ",
    ),
    (
        "a mapper of no column",
        C,
        "{targetField: name,",
        "{targetField: colour,",
        "its hashing mapper names colour",
    ),
]


def good_connections(place: Place) -> None:
    """The files that the unfit ones are made of."""
    with_piece("connections", CONNECTIONS, C, "name: orders", "name: orders")(place)


def cases() -> Iterator[Case]:
    for name, (file, rows, says) in ROWS.items():
        yield Case("CSV rows", name, LOAD, says, prepare=_rows(file, rows))
    yield Case("CSV rows", "a file that was cut off", LOAD, f"{COUNTRY}.gz is damaged", prepare=_cut)
    for area, table in (("source", SOURCE), ("Airbyte", AIRBYTE)):
        for name, (words, environ, says) in table.items():
            yield Case(area, name, tuple(words.split()), says, environ)
    for name, file, piece, replacement, says in UNFIT:
        words = ("airbyte", "plan", "--connections", "{inputs}/connections")
        yield Case(
            "Airbyte",
            name,
            words,
            says,
            prepare=with_piece("connections", CONNECTIONS, file, piece, replacement),
        )
