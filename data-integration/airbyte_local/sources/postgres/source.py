"""The source as the sync sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

import psycopg

from airbyte_local.failures import Failures, Key
from airbyte_local.schema import Column, SourceStream, StreamPlan
from airbyte_local.sources.base import Reading
from airbyte_local.sources.postgres.cdc import Capture
from airbyte_local.sources.postgres.check import check, check_streams
from airbyte_local.sources.postgres.connect import Address, connect, unreachable
from airbyte_local.sources.postgres.cursor import (
    Watermark,
    check_cursor,
    next_cursor,
    read_clock,
    read_watermark,
)
from airbyte_local.sources.postgres.discover import discover, why_missing
from airbyte_local.sources.postgres.position import check_position, read_position
from airbyte_local.sources.postgres.shape import Shape, difference, read_shapes
from foundation.errors import EltError

if TYPE_CHECKING:
    from airbyte_local.sources.postgres.snapshot import Snapshot


def opened(
    configuration: dict[str, Any],
) -> AbstractContextManager[PostgresByCursor] | AbstractContextManager[PostgresByCapture]:
    """The source, read as its `replication_method` says. Entering it connects and checks; errors are EltErrors."""
    method = configuration.get("replication_method") or {}
    return (
        PostgresByCapture(configuration) if method.get("method") == "CDC" else PostgresByCursor(configuration)
    )


class Postgres:
    """What both ways to read have in common."""

    publication: str | None = None  # through which changes are read

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.address = Address.of(configuration)
        self._configuration = configuration
        self._schemas = tuple(configuration.get("schemas", ["public"]))
        self._streams: dict[tuple[str, str], SourceStream] = {}

    def __enter__(self) -> Self:
        self._connection = connect(self.address)
        try:
            self._begin()
            self._clock = read_clock(self._connection)
            self.position = read_position(self._connection)
        except BaseException:
            self._connection.close()
            raise
        return self

    def _begin(self) -> None:
        """Check what this way to read needs. Raises EltError."""
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """The server may also answer a question about its definitions with an error."""
        try:
            yield
        except psycopg.errors.LockNotAvailable:
            raise EltError(
                f"{self.address}: a transaction has locked a table for longer than a sync waits",
                "end it (select pid, query from pg_stat_activity; select * from pg_prepared_xacts), then sync again",
            ) from None
        except psycopg.OperationalError as error:
            raise unreachable(self.address, str(error)) from None
        except psycopg.Error as error:
            raise EltError(
                f"{self.address}: {error.diag.message_primary or error}",
                "see the database's log, then sync again",
            ) from None

    def discover(self) -> Iterable[SourceStream]:
        """Every stream that the user may read, in the order of schema and table."""
        with self._asking():
            self._streams = discover(self._connection, self._schemas)
        return self._streams.values()

    def why_missing(self, namespace: str, name: str) -> EltError:
        """Why a stream is not among the discovered ones."""
        return why_missing(self._connection, self.address, self._schemas, namespace, name)

    def check_position(self, saved: dict[str, Any] | None) -> None:
        """Raises EltError when the saved states are not of this source, or of a later time than it is at."""
        check_position(self.address, saved, self.position)

    def check_cursor(self, label: str, column: Column) -> None:
        """Raises EltError when the column cannot be a cursor."""
        check_cursor(label, column)

    def check_streams(self, plans: Iterable[StreamPlan], failures: Failures) -> None:
        """Streams that would not be read whole and right go to `failures`."""
        with self._asking():
            check_streams(self._connection, self.address, plans, failures)

    def shapes(self, plans: Iterable[StreamPlan]) -> dict[Key, Shape]:
        """What each stream is made of now."""
        with self._asking():
            return read_shapes(self._connection, plans, self.publication)

    def reshaped(self, plan: StreamPlan, saved: Shape | None, now: Shape) -> str | None:
        """Why the stream has to be read as a whole because it is made of something else than before."""
        with self._asking():
            return difference(self._connection, plan, saved, now)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Snapshot, Watermark]]:
        """The watermark, then the snapshot that all streams are read in."""
        from airbyte_local.sources.postgres.snapshot import (
            exported,  # Arrow and ADBC, in the job process only
        )

        try:
            watermark = read_watermark(self._connection, self._clock)
            with exported(self._connection, self.address) as snapshot:
                yield snapshot, watermark
        except psycopg.OperationalError as error:
            raise unreachable(self.address, str(error)) from None


class PostgresByCursor(Postgres):
    reading: Literal[Reading.CURSOR] = Reading.CURSOR
    next_cursor = staticmethod(next_cursor)

    def _begin(self) -> None:
        check(self._connection, self.address, by_cursor=True)


class PostgresByCapture(Postgres):
    reading: Literal[Reading.CAPTURE] = Reading.CAPTURE
    capture: Capture

    def _begin(self) -> None:
        check(self._connection, self.address, by_cursor=False)
        self.capture = Capture(self._connection, self.address, self._configuration["replication_method"])
        self.publication = self.capture.publication

    def check_streams(self, plans: Iterable[StreamPlan], failures: Failures) -> None:
        """Those, too, whose changes would not come whole."""
        super().check_streams(plans, failures)
        with self._asking():
            self.capture.check_tables(failures.remaining(plans), failures)
