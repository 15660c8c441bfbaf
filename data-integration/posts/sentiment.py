"""How posts sound: each text that has no score gets one from vaderSentiment, whose lexicon travels with it.

The scores are a table of their own, one row per text, by the text's MD5: a post that is edited is another text, one that arrives twice
is the same. dbt joins them. Scoring is a step between sync and build, and no function inside of the warehouse.
"""

# ruff: noqa: S608 - names are constants here, or settings with a form of their own

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from foundation.errors import EltError
from foundation.lease import lease
from foundation.settings import Settings
from foundation.warehouse import first_line, is_there, wait_until_writable

RAW, SCHEMA, TABLE = "posts.posts", "post_scores", "post_scores.post_sentiment"
BATCH = 10_000  # texts in memory

# the time of scoring has the name by which a build sees that a table has new rows
COLUMNS = {
    "text_hash": "varchar",
    "sentiment_score": "double",
    "scorer": "varchar",
    "_airbyte_extracted_at": "timestamp",
}
Row = tuple[str, float, str, datetime]


class Scored(NamedTuple):
    """How many texts are new, and how many have a score."""

    new: int
    texts: int


class Warehouse(Protocol):
    """Where posts are. What is done between `begin` and `commit` is seen as a whole, or not at all."""

    def has_posts(self) -> bool: ...
    def begin(self, scorer: str) -> None:
        """Make the table where it is not there, and forget the scores of other scorers."""

    def new_texts(self) -> Iterator[list[tuple[str, str]]]:
        """MD5 and text of those without a score, in batches."""

    def add(self, rows: list[Row]) -> None: ...
    def commit(self) -> int:
        """How many texts have a score now."""


def score(text: str) -> float:
    """How a text sounds, from -1 (all negative) to 1 (all positive), with 4 decimals: vaderSentiment's `compound`."""
    found: float = _analyzer().polarity_scores(text)["compound"]
    return found


@lru_cache(maxsize=1)
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def scorer() -> str:
    """Program and version: the texts that another one has scored are scored again."""
    return f"vaderSentiment {version('vaderSentiment')}"


def score_new(config: Settings) -> Scored:
    """Score the texts of the raw layer that are not scored yet, in one transaction; a second call adds nothing.

    In DuckDB under the warehouse's lease. Raises EltError: the warehouse is in use, can't be reached or can't be written.
    """
    opened = _duckdb(config) if config.dbt_target in ("duckdb", "dev") else _snowflake(config)
    with opened as warehouse:
        if not warehouse.has_posts():
            return Scored(0, 0)
        name, now, new = scorer(), datetime.now(UTC).replace(tzinfo=None), 0
        warehouse.begin(name)
        for texts in warehouse.new_texts():
            warehouse.add([(text_hash, score(text), name, now) for text_hash, text in texts])
            new += len(texts)
        return Scored(new, warehouse.commit())


def unscored(raw: str, text: str, table: str) -> str:
    """SQL for the texts without a score. `text`: an expression over a raw line."""
    return (
        f"select distinct md5(post_text) as text_hash, post_text from (select nullif({text}, '') as post_text from {raw}) as posts"
        f" where post_text is not null and md5(post_text) not in (select text_hash from {table})"
    )


class _DuckDB:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def has_posts(self) -> bool:
        there = "select 1 from duckdb_tables() where schema_name || '.' || table_name = $1"
        return self._connection.execute(there, [RAW]).fetchone() is not None

    def begin(self, scorer: str) -> None:
        columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
        self._connection.execute("begin")
        self._connection.execute(f"create schema if not exists {SCHEMA}")
        self._connection.execute(f"create table if not exists {TABLE} ({columns})")
        self._connection.execute(f"delete from {TABLE} where scorer <> $1", [scorer])

    def new_texts(self) -> Iterator[list[tuple[str, str]]]:
        texts = unscored(RAW, "json_extract_string(try_cast(line as json), '$.text')", TABLE)
        self._connection.execute(
            f"create temp table new_texts as select row_number() over () as number, * from ({texts})"
        )
        last = 0
        batch = "select text_hash, post_text from new_texts where number > $1 and number <= $1 + $2"
        while found := self._connection.execute(batch, [last, BATCH]).fetchall():
            last += len(found)
            yield found

    def add(self, rows: list[Row]) -> None:
        scores = pa.table(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))
        self._connection.register("scores", scores)
        self._connection.execute(f"insert into {TABLE} select * from scores")
        self._connection.unregister("scores")

    def commit(self) -> int:
        count: int = self._connection.execute(f"select count(*) from {TABLE}").fetchall()[0][0]
        self._connection.execute("commit")
        return count


@contextmanager
def _duckdb(config: Settings) -> Iterator[Warehouse]:
    path = config.warehouse_path
    if not is_there(path):
        raise EltError(f"there is no warehouse at {path}", "run `elt sync --connection posts` first")
    with lease(path, "elt posts score", config.elt_lease_wait_seconds):
        wait_until_writable(path, time.monotonic() + config.elt_lease_wait_seconds)
        try:
            with duckdb.connect(path, config={"memory_limit": f"{config.dbt_memory_mb}MB"}) as connection:
                yield _DuckDB(connection)
        except duckdb.Error as error:
            raise EltError(
                f"posts can't be scored in {path}: {first_line(error)}",
                "is the disk full? Then try again: nothing was changed",
            ) from error


@contextmanager
def _snowflake(config: Settings) -> Iterator[Warehouse]:
    from posts.sentiment_snowflake import opened  # its driver takes a second to import

    with opened(config) as warehouse:
        yield warehouse
