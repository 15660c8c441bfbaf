"""The lane's tables in ClickHouse, and rows into them, in which a message that ClickHouse can't hold stops no other."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError

from foundation.errors import EltError
from foundation.settings import Settings
from streaming.catalogue import Topic
from streaming.sink.messages import Away, Poison, Row
from streaming.sink.minutes import PER_MINUTE
from streaming.sink.tables import LANDED, columns_of, create, table_of

log = logging.getLogger(__name__)

# what the engine says about a value, not about itself: parsing, types, ranges, lengths, nulls
OF_VALUES = frozenset({6, 27, 41, 53, 69, 70, 72, 131, 190, 349, 407})


def connect(config: Settings, *, writes: bool = True) -> Client:
    """A client of the lane's ClickHouse. Raises Away, EltError: it does not let us in."""
    place = urlsplit(config.stream_clickhouse_base)
    name, password = config.stream_clickhouse_login(writes=writes)
    try:
        return clickhouse_connect.get_client(
            interface=place.scheme,
            host=place.hostname,
            port=place.port,
            username=name,
            password=password,
            autogenerate_session_id=False,
            connect_timeout=5,
            send_receive_timeout=60,
        )
    except ClickHouseError as error:
        if getattr(error, "code", None) == 516:  # AUTHENTICATION_FAILED
            raise EltError(
                f"ClickHouse at {config.stream_clickhouse_base} does not let {name} in",
                "correct STREAM_CLICKHOUSE_USER and STREAM_CLICKHOUSE_PASSWORD; here: elt down stream, then elt up stream",
            ) from None
        raise Away(_said(error)) from None


class Tables:
    """The tables of one database; they are made, or brought to the topics' schemas, at the start. `ids`: Kafka's, by topic.

    A topic that was deleted and made again counts its messages from 0: the rows of the one before keep a table of their own.
    """

    def __init__(self, client: Client, database: str, ids: Mapping[str, str]) -> None:
        self._client, self._database = client, database
        client.command(f"create database if not exists `{database}`")
        for topic in LANDED:
            known = f"topic {ids[topic.name]}" if topic.name in ids else ""
            if known:
                self._set_aside_another(topic, known)
            for statement in create(topic, database, known):
                client.command(statement)
        for view in PER_MINUTE:
            for statement in view.create(database):
                client.command(statement)

    def _set_aside_another(self, topic: Topic, known: str) -> None:
        """Rename the table, if it has the rows of another topic of this name. One that does not say so is this topic's."""
        table = table_of(topic)
        found = self._client.query(
            "select comment from system.tables where database = {database:String} and name = {table:String}",
            parameters={"database": self._database, "table": table},
        ).result_rows
        if found and not found[0][0]:
            self._client.command(f"alter table `{self._database}`.`{table}` modify comment '{known}'")
        elif found and found[0][0] != known:
            kept = f"{table}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
            self._client.command(f"rename table `{self._database}`.`{table}` to `{self._database}`.`{kept}`")
            log.warning(
                "%s was made again: rows of the topic before it are in the table %s", topic.name, kept
            )

    def insert(self, topic: Topic, rows: Sequence[Row]) -> list[tuple[Row, Poison]]:
        """Write rows; those that ClickHouse can't hold, with the reason. Raises Away; then any of the others may be there."""
        try:
            self._client.insert(
                table_of(topic),
                [row.values for row in rows],
                list(columns_of(topic)),
                database=self._database,
            )
        except ClickHouseError as error:
            if not _about_values(error):
                raise Away(_said(error)) from None
            if len(rows) == 1:
                return [(rows[0], Poison(_said(error)))]
            half = len(rows) // 2
            return [*self.insert(topic, rows[:half]), *self.insert(topic, rows[half:])]
        return []

    def recompute(self, touched: dict[str, set[datetime]]) -> None:
        """Compute anew the minutes of these moments; `touched` has them by topic. Raises Away."""
        for view in PER_MINUTE:
            if moments := touched.get(view.topic.name):
                self._run(view.recompute(self._database, moments))

    def _run(self, statement: str) -> None:
        try:
            self._client.command(statement)
        except ClickHouseError as error:
            raise Away(_said(error)) from None


def _about_values(error: ClickHouseError) -> bool:
    return isinstance(error, DataError) or getattr(error, "code", None) in OF_VALUES


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
