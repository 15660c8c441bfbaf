"""The rows on their way: read ahead in a thread, handed out stream by stream, counted as they pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_local.destinations.base import Moment
from airbyte_local.history import emptied, in_snapshot, with_own
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import StreamBatch, StreamStart

ROOM_BYTES, WAIT_SECONDS = 24 << 20, 0.5
AHEAD = 6  # batches of 4 MB: enough to keep both sides busy, little enough to stay small

_END = object()


class ReadAhead:
    """Runs an iterator in a thread, `AHEAD` items before its consumer. An error there is raised here."""

    def __init__(self, items: Iterator[Any], cancel: Callable[[], None]) -> None:
        self._queue: Queue[Any] = Queue(AHEAD)
        self._cancel = cancel
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(items,), name="reader", daemon=True)
        self._thread.start()

    def _run(self, items: Iterator[Any]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again where the items are used
            self._error = error
        self._put(_END)

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[Any]:
        while (item := self._queue.get()) is not _END:
            yield item
        if self._error is not None:
            raise self._error

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread, wherever it is."""
        if self._thread.is_alive():
            self._stopped.set()
            self._cancel()
            self._drain()
            self._thread.join(timeout=10)

    def _drain(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                return


class Batches:
    """One stream's rows, mapped; counted as they are read. To be read to the end before the next stream's."""

    def __init__(
        self,
        start: StreamStart,
        items: Iterator[Any],
        passed: Callable[[StreamPlan, int, int], None],
        plan: StreamPlan,
        moment: Moment | None = None,
    ) -> None:
        self.plan, self._moment = plan, moment if plan.appends else None
        self.schema = plan.mapping.schema(start.schema) if plan.mapping and not plan.logged else start.schema
        if self._moment is not None:
            self.schema = with_own(self.schema)
        self.rows = self.bytes = 0
        self.greatest: int | None = None
        self.next_start: StreamStart | None = None
        self.error: Exception | None = None
        self.tells_emptied = False  # a row says that all of before are deleted
        self._items, self._passed = items, passed
        self._first = self._pull()

    @property
    def is_empty(self) -> bool:
        return self._first is None and self.rows == 0

    def reader(self) -> pa.RecordBatchReader:
        """The rows as an Arrow stream."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        batch, self._first = self._first, None
        while batch is not None:
            self._count(batch)
            _wait_for_room()
            yield self._mapped(batch)
            batch = self._pull()
        if self.tells_emptied and self._moment is not None:
            yield emptied(self.schema, self._moment)

    def _pull(self) -> pa.RecordBatch | None:
        try:
            item = next(self._items, None)
        except Exception as error:
            self.error = error  # what the destination makes of it on the way through Arrow is not the reason
            raise
        if isinstance(item, StreamBatch):
            return item.batch
        self.next_start = item
        return None

    def _mapped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            if self.plan.mapping is not None and not self.plan.logged:
                batch = self.plan.mapping.batch(batch)
            return batch if self._moment is None else in_snapshot(batch, self._moment)
        except Exception as error:
            self.error = error
            raise

    def _count(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.bytes += batch.nbytes
        read = self.plan.read
        if read.cursor is not None:
            found = greatest(batch.column(read.columns.index(read.cursor)))
            if found is not None:
                self.greatest = found if self.greatest is None else max(self.greatest, found)
        self._passed(self.plan, self.rows, self.bytes)


def _wait_for_room() -> None:
    """Hold back the next batch while many are on their way: what reads an Arrow stream reads ahead as far as a gigabyte.

    Not for long: what is in use may be one large row.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while pa.total_allocated_bytes() > ROOM_BYTES and time.monotonic() < deadline:
        time.sleep(0.002)


def by_stream(
    items: Iterator[Any],
    passed: Callable[[StreamPlan, int, int], None],
    plans: Iterable[StreamPlan],
    moment: Moment | None = None,
) -> Iterator[Batches]:
    """Group a source's starts and batches of these streams; `passed(plan, rows, bytes)` is called for every batch. `moment`: of
    captured streams, which are read as a whole."""
    landed = {plan.key: plan for plan in plans}
    start = next(items, None)
    while start is not None:
        batches = Batches(start, items, passed, landed[start.plan.key], moment)
        yield batches
        start = batches.next_start


def greatest(column: pa.Array) -> int | None:
    """The greatest value as an integer in Arrow's unit: microseconds or days since 1970, or the number itself."""
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    elif pa.types.is_date32(column.type):
        column = column.view(pa.int32())
    found: int | None = pc.max(column).as_py()
    return found
