"""The scores of posts in Snowflake: the same table in the database of the raw layer, with the login of dbt."""

# ruff: noqa: S608 - names are settings with a form of their own

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from snowflake.connector import SnowflakeConnection

from foundation.settings import Settings
from posts.sentiment import BATCH, COLUMNS, RAW, SCHEMA, TABLE, Row, Warehouse, unscored
from transformation.snowflake_session import ask, dbt_session


class Session:
    """A session that scores; `database`: that of the raw layer."""

    def __init__(self, session: SnowflakeConnection, database: str) -> None:
        self._session = session
        self._raw, self._table, self._schema = (
            f"{database}.{RAW}",
            f"{database}.{TABLE}",
            f"{database}.{SCHEMA}",
        )
        self._catalogue = f"{database}.information_schema.tables"

    def has_posts(self) -> bool:
        schema, table = RAW.upper().split(".")
        there = f"select 1 from {self._catalogue} where table_schema = %s and table_name = %s"
        return bool(ask(self._session, there, schema, table))

    def begin(self, scorer: str) -> None:
        # DDL commits: it comes first
        columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
        ask(self._session, f"create schema if not exists {self._schema}")
        ask(self._session, f"create table if not exists {self._table} ({columns})")
        ask(self._session, "begin")
        ask(self._session, f"delete from {self._table} where scorer <> %s", scorer)

    def new_texts(self) -> Iterator[list[tuple[str, str]]]:
        text = "cast(get_path(try_parse_json(line), 'text') as varchar)"
        reading = self._session.cursor().execute(unscored(self._raw, text, self._table))
        while found := reading.fetchmany(BATCH):
            yield [(text_hash, text) for text_hash, text in found]

    def add(self, rows: list[Row]) -> None:
        marks = ", ".join(["%s"] * len(COLUMNS))
        self._session.cursor().executemany(f"insert into {self._table} values ({marks})", rows)

    def commit(self) -> int:
        ((count,),) = ask(self._session, f"select count(*) from {self._table}")
        ask(self._session, "commit")
        return int(count)


@contextmanager
def opened(config: Settings) -> Iterator[Warehouse]:
    """A session of dbt's target. Raises EltError with Snowflake's words."""
    with dbt_session(config, config.dbt_target, "scoring posts") as session:
        yield Session(session, config.snowflake_raw_database)
