"""Orders, and what becomes of them, from PostgreSQL's log: an event per order that is placed, and per change of its header.

The events of a transaction of the shop are in the topics together, in its order, with where it ends in the log. What is loaded into the
shop (its tables emptied, or more than LARGEST changes at once) is no trade: one dead letter says so. Lines that change after their order was placed
show in the amounts of its header; a header that is deleted has no event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from foundation.settings import Settings
from streaming.catalogue import ORDER_STATUS, ORDERS, Topic
from streaming.producer.outbox import Event, Outbox, UnfitEventError
from streaming.producer.pgoutput import Begin, Change, Commit, Decoder, Row, Truncate
from streaming.producer.replication import Log

NAME = "orders"
HEADERS, LINES = "sales.salesorderheader", "sales.salesorderdetail"
LARGEST = 50_000  # changes of a transaction of the shop
AT_ONCE = 2_000  # events of a transaction of Kafka, as long as the shop's are whole
GATHER_SECONDS = 0.02  # how long the first event waits for others
PLACES, WHOLE = 6, Decimal(10) ** 22  # of an amount
IDLE_SECONDS = (
    60.0  # after so long without an event the position is noted, so that the server can forget its log
)


def integer(text: str | None) -> int | None:
    return None if text is None else int(text)


def decimal(text: str | None) -> Decimal | None:
    """Raises ValueError for what the schemas have no room for: decimal(28,6)."""
    if text is None:
        return None
    found = Decimal(text)
    if not found.is_finite() or abs(found) >= WHOLE or found != round(found, PLACES):
        raise ValueError(text)
    return found


def moment(text: str | None) -> datetime | None:
    """Raises ValueError for what is in no year from 1 to 9999."""
    return None if text is None else datetime.fromisoformat(text)


HEADER: dict[str, Callable[[str | None], Any]] = {
    **dict.fromkeys(("salesorderid", "revisionnumber", "status", "customerid"), integer),
    **dict.fromkeys(("subtotal", "taxamt", "freight", "totaldue"), decimal),
    **dict.fromkeys(("shipdate", "modifieddate"), moment),
}
PLACED: dict[str, Callable[[str | None], Any]] = {
    **HEADER,
    **dict.fromkeys(("orderdate", "duedate"), moment),
    **dict.fromkeys(("salespersonid", "territoryid", "shiptoaddressid", "shipmethodid"), integer),
    **dict.fromkeys(("creditcardid", "currencyrateid"), integer),
    "onlineorderflag": lambda text: text == "t",
}
LINE: dict[str, Callable[[str | None], Any]] = {
    **dict.fromkeys(("salesorderdetailid", "productid", "specialofferid", "orderqty"), integer),
    **dict.fromkeys(("unitprice", "unitpricediscount"), decimal),
}


def typed(row: Row, columns: dict[str, Callable[[str | None], Any]]) -> Event:
    """The columns of a row that an event has. Raises UnfitEventError, naming the column."""
    found = {}
    for name, of in columns.items():
        if name not in row:
            raise UnfitEventError(f"{name}: the table has no such column")
        try:
            found[name] = of(row[name])
        except (ValueError, ArithmeticError):
            raise UnfitEventError(f"{name}: {row[name]!r} can't be in an event") from None
    return found


@dataclass
class Transaction:
    """What happened to orders in one transaction of the shop."""

    begin: Begin
    changes: int = 0
    happened: list[tuple[Topic, Row]] = field(default_factory=list)
    placed: dict[str | None, Row] = field(default_factory=dict)  # by order
    lines: dict[str | None, dict[str | None, Row]] = field(default_factory=dict)  # by order, by line
    is_load: str = ""  # why it is one

    def add(self, change: Change | Truncate) -> None:
        self.changes += 1
        if isinstance(change, Truncate):
            if HEADERS in change.tables:
                self._give_up("the shop's orders were emptied")
        elif change.table in (HEADERS, LINES) and not self.is_load:
            if self.changes > LARGEST:
                self._give_up(f"more than {LARGEST} changes")
            elif change.table == HEADERS:
                self._header(change)
            else:
                self._line(change)

    def _give_up(self, why: str) -> None:
        self.is_load = why
        self.happened, self.placed, self.lines = [], {}, {}

    def _header(self, change: Change) -> None:
        order = change.row["salesorderid"]
        if change.kind == "I":
            self.placed[order] = change.row
            self.happened.append((ORDERS, change.row))
        elif change.kind == "U" and order in self.placed:
            self.placed[order].update(change.row)
        elif change.kind == "U":
            self.happened.append((ORDER_STATUS, change.row))

    def _line(self, change: Change) -> None:
        # of an order that was placed before it shows in the header's amounts
        lines = self.lines.setdefault(change.row["salesorderid"], {})
        line = change.row["salesorderdetailid"]
        if change.kind == "D":
            lines.pop(line, None)
        else:
            lines[line] = lines.get(line, {}) | change.row

    def put(self, outbox: Outbox, system: str) -> None:
        """Its events into the topics; what can't be one is put aside, with the reason."""
        stem = f"{system}-{self.begin.commit:016x}"
        if self.is_load:
            outbox.put_aside(NAME, stem, f"a load, no trade: {self.is_load}", None)
        for number, (topic, row) in enumerate(self.happened):
            place = f"{stem}-{number}"
            identity = {"event_id": place, "occurred_at": self.begin.at}
            key = str(row["salesorderid"])
            try:
                if topic is ORDERS:
                    lines = [typed(line, LINE) for line in self.lines.get(row["salesorderid"], {}).values()]
                    outbox.put(topic, key, identity | typed(row, PLACED) | {"lines": lines})
                else:
                    outbox.put(topic, key, identity | typed(row, HEADER))
            except UnfitEventError as error:
                outbox.put_aside(NAME, place, f"{HEADERS} {key}: {error}", repr(row).encode())


class Orders:
    """The producer of orders: `run` until `stopped()`."""

    def __init__(self, config: Settings, stopped: Callable[[], bool]) -> None:
        self._config, self._stopped = config, stopped
        self._outbox = Outbox(config, NAME)
        self._at = self._noted = 0  # in the log: what was read to its end, and what the topics have
        self._since, self._noted_at = 0.0, 0.0  # when the first event of the open transaction came

    def run(self) -> None:
        """Raises EltError: something is away, or events were missed."""
        last = self._outbox.start([ORDERS, ORDER_STATUS])
        with Log(self._config) as log:
            self._begin(log, last)
            print(f"orders: from {self._config.stream_slot} of {log.place}", flush=True)
            decoder = Decoder()
            transaction: Transaction | None = None
            for piece in log.stream(self._noted):
                if piece.data:
                    transaction = self._take(log, decoder.decode(piece.data), transaction)
                elif transaction is None:
                    self._at = max(self._at, piece.position)
                if transaction is None and self._due():
                    self._note(log)
                if not piece.data and not piece.position:  # there is no more for now
                    if transaction is None and self._stopped():
                        self._note(log)
                        return
                    log.wait(GATHER_SECONDS if self._outbox.waiting else 0.5)

    def _begin(self, log: Log, last: dict[str, Any] | None) -> None:
        if last is not None and last["system"] == log.system:
            log.see_that_it_goes_on(last["position"])
            self._at = self._noted = last["position"]
        else:
            self._at = 0 if log.exists() else log.create()
            self._note(log, first=True)

    def _take(self, log: Log, message: object, transaction: Transaction | None) -> Transaction | None:
        match message:
            case Begin():
                return Transaction(message)
            case Change() | Truncate() if transaction is not None:
                transaction.add(message)
            case Commit() if transaction is not None:
                if message.commit >= self._noted:  # else the topics have it
                    if not self._outbox.waiting:
                        self._since = time.monotonic()
                    transaction.put(self._outbox, log.system)
                self._at = max(self._at, message.end)
                return None
        return transaction

    def _due(self) -> bool:
        if self._outbox.waiting:
            return self._outbox.waiting >= AT_ONCE or time.monotonic() - self._since >= GATHER_SECONDS
        return self._at > self._noted and time.monotonic() - self._noted_at >= IDLE_SECONDS

    def _note(self, log: Log, *, first: bool = False) -> None:
        """Commit the events that wait, and how far they go; then the server may forget it."""
        if self._at > self._noted or first:
            self._outbox.commit({"system": log.system, "position": self._at})
            self._noted = self._at
            log.confirm(self._at)
        self._noted_at = time.monotonic()


def forget(config: Settings) -> None:
    """Begin anew: the position goes, and the slot. Raises EltError."""
    outbox = Outbox(config, NAME)
    outbox.start([])
    outbox.forget()
    with Log(config) as log:
        log.drop()
