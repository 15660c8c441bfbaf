"""Figures of one-minute windows of event time, in parts that add up.

quixstreams 3.28 has tumbling windows, but an event that comes when its window is closed is only reported (`on_late` of
`dataframe/windows/time_based.py`) and can't become a message of the same transaction. So the windows are kept here, in the state of
quixstreams: each partition has a clock, the latest moment of its events; a minute is closed LATENESS after its end by that clock, and is
then a message for each channel and territory. What comes later is a message of its own, and so is what lies far ahead, which would move
the clock. The sum over a minute's messages is always exact.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from streaming.enricher.orders import EXACT

MINUTE = 60_000
LATENESS = 60_000  # milliseconds that a window waits for events that are late
AHEAD = timedelta(days=366)  # the simulated shop trades its days ahead, but not by a year
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class State(Protocol):
    """What is kept of a partition, as quixstreams gives it: JSON by name."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...


@dataclass(frozen=True)
class Cell:
    """What a window counts of one event. `amount`: in millionths of a USD."""

    channel_name: str
    territoryid: int | None
    amount: int
    suspected: bool


def cell_of_order(order: dict[str, Any]) -> Cell:
    """Of an event of `shop.orders_enriched`."""
    return Cell(order["channel_name"], order["territoryid"], millionths(order["revenue"]), False)


def cell_of_payment(payment: dict[str, Any]) -> Cell:
    """Of an event of `shop.card_transactions_scored`."""
    return Cell(payment["channel"], None, millionths(payment["amount"]), payment["suspected"])


def counted(subject: str, place: str, at: datetime, cell: Cell, state: State) -> list[dict[str, Any]]:
    """Count an event; the events of `shop.windows` that follow: parts of minutes that are closed now, or the event itself if it is late
    or far ahead.

    `place`: where the event is in Kafka, by which its parts are told apart.
    """
    moment = milliseconds(at)
    minute, clock = moment // MINUTE, state.get("clock", 0)
    one = [1, cell.amount, int(cell.suspected)]
    named = json.dumps([cell.channel_name, cell.territoryid])
    if _is_closed(minute, clock) or is_ahead(at):
        return [_part(subject, f"{place}-late", minute, named, one, late=True)]
    open_ = state.get("open", {})
    cells = open_.setdefault(str(minute), {})
    cells[named] = [sum(pair) for pair in zip(cells.get(named, (0, 0, 0)), one, strict=True)]
    clock = max(clock, moment)
    parts: list[dict[str, Any]] = []
    for each in sorted(open_, key=int):
        if _is_closed(int(each), clock):
            for name, figures in sorted(open_.pop(each).items()):
                parts.append(_part(subject, f"{place}-{len(parts)}", int(each), name, figures, late=False))
    state.set("open", open_)
    state.set("clock", clock)
    return parts


def is_ahead(moment: datetime) -> bool:
    """Whether an event lies so far ahead that its date is wrong: no clock goes by it."""
    return moment - datetime.now(UTC) > AHEAD


def milliseconds(moment: datetime) -> int:
    """Since 1970, exact."""
    return (moment - BEGINNING) // timedelta(milliseconds=1)


def millionths(amount: Decimal) -> int:
    """USD as an integer, exact: no amount has more than six decimals."""
    return int(amount.scaleb(6))


def _is_closed(minute: int, clock: int) -> bool:
    return (minute + 1) * MINUTE + LATENESS <= clock


def _part(
    subject: str, event_id: str, minute: int, name: str, figures: list[int], *, late: bool
) -> dict[str, Any]:
    channel_name, territoryid = json.loads(name)
    events, amount, suspected = figures
    return {
        "event_id": f"{subject}-{event_id}",
        "occurred_at": BEGINNING + timedelta(minutes=minute),
        "subject": subject,
        "channel_name": channel_name,
        "territoryid": territoryid,
        "events": events,
        "amount": Decimal(amount).scaleb(-6, EXACT),
        "suspected": suspected,
        "late": late,
    }
