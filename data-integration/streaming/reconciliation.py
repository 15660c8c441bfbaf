"""The lane against the batch warehouse: does each hold the messages that the other holds, with the same figures?

Compared are the messages that both have come to: of each partition those from the first offset that the load read up to where the load and the
sink have come. ClickHouse keeps a message for a week, so older ones are left out. Minutes are compared by their figures;
of a minute that differs, the messages. A message that a side can't hold is no difference where it is said: the load counts it in
`left_out`, the sink has written a dead letter of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from airbyte_local.states import unpacked
from foundation.errors import EltError, Kind
from foundation.settings import Settings
from streaming.catalogue import CARDS, ORDER_STATUS, ORDERS, PAGE_VIEWS, Topic
from streaming.environment import answer
from streaming.sink.tables import DAYS, table_of
from transformation.changed_inputs import Ask, asking

CONNECTION = "stream"
GROUP = "clickhouse-sink"
AMOUNTS = {ORDERS: "subtotal", ORDER_STATUS: "subtotal", PAGE_VIEWS: "duration", CARDS: "amount"}
MARGIN = timedelta(hours=1)  # the lane may drop what is about to be a week old
PATIENCE_SECONDS = 30.0  # for what is on its way: a dead letter has to pass through its topic
NAMED = 5  # differences in an error
MOST = 100  # differences that are looked for
AT_ONCE = 500  # offsets in a question

Figures = tuple[Any, ...]
Spot = tuple[int, int]  # partition, and a minute or an offset
Bounds = dict[int, tuple[int, int]]  # partition → first offset, the one after the last


class DisagreeError(EltError):
    """The reconciliation ran, and lane and warehouse differ."""

    exit_code = 1


@dataclass(frozen=True)
class Compared:
    """What was found of a topic. `ahead`: messages that only one side has come to. `apart`: events that the lane could not hold, and said so."""

    topic: str
    messages: int
    left_out: int
    apart: int
    ahead: int
    differences: tuple[str, ...]


def reconcile(config: Settings, patience: float = PATIENCE_SECONDS) -> list[Compared]:
    """Compare each topic; what differs is looked at again until `patience` seconds have passed. Raises DisagreeError, which names up to five
    messages; EltError: a side can't be read."""
    deadline = time.monotonic() + patience
    while True:
        found = compare(config)
        differences = [one for each in found for one in each.differences]
        if not differences:
            return found
        if time.monotonic() > deadline:
            more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
            raise DisagreeError(
                f"lane and warehouse disagree: {'; '.join(differences[:NAMED])}{more}",
                "docs/stream.md#reconciliation says what to do",
            )
        time.sleep(1)


def compare(config: Settings) -> list[Compared]:
    """Compare each topic once. Raises EltError."""
    floor = datetime.now(UTC) - timedelta(days=DAYS) + MARGIN
    with asking(config, "elt stream reconcile") as ask:
        warehouse = Warehouse(config, ask)
        reached, committed = warehouse.reached(), _committed()
        return [
            _compared(topic, warehouse, Lane(config), reached, committed, floor)
            for topic in AMOUNTS
            if table_of(topic) in reached
        ]


def _committed() -> dict[str, dict[str, int]]:
    """How far the sink has come, by topic and partition. Raises EltError."""
    groups = answer("streaming.status")["groups"]
    return next((group["committed"] for group in groups if group["group"] == GROUP), {})


def _compared(
    topic: Topic,
    warehouse: Warehouse,
    lane: Lane,
    reached: dict[str, Bounds],
    committed: dict[str, dict[str, int]],
    floor: datetime,
) -> Compared:
    loaded, sunk = reached[table_of(topic)], committed.get(topic.name, {})
    both = {number: (first, min(end, sunk.get(str(number), 0))) for number, (first, end) in loaded.items()}
    both = {number: (first, end) for number, (first, end) in both.items() if first < end}
    ahead = sum(abs(end - max(first, sunk.get(str(number), 0))) for number, (first, end) in loaded.items())
    if not both:
        return Compared(topic.name, 0, 0, 0, ahead, ())
    ours, theirs = warehouse.minutes(topic, both, floor), lane.minutes(topic, both, floor)
    letters = lane.letters(topic, both, floor)
    left_out = warehouse.left_out(topic, both)
    differences: list[str] = []
    apart: set[Spot] = set()
    for partition, minute in sorted(ours.keys() | theirs.keys()):
        if ours.get((partition, minute)) == theirs.get((partition, minute)) or len(differences) >= MOST:
            continue
        within = {partition: both[partition]}
        mine, other = (side.messages(topic, within, minute) for side in (warehouse, lane))
        for offset in sorted(mine.keys() | other.keys()):
            spot, a, b = (partition, offset), mine.get(offset), other.get(offset)
            if a is not None and b is None and spot in letters:
                apart.add(spot)
            elif a != b:
                differences.append(_difference(topic, spot, minute, a, b))
    silent = {spot for spot, appended in left_out.items() if appended >= floor} - letters
    differences += [
        f"{topic.name}, partition {partition}, offset {offset}: the warehouse has left it out, and the lane has no dead letter of it"
        for partition, offset in sorted(silent)
    ]
    differences += [
        f"{topic.name}, partition {partition}, offset {offset}: the lane has a dead letter of it, and the warehouse has nothing"
        for partition, offset in sorted(letters - left_out.keys() - apart - warehouse.there(topic, letters))
    ]
    recent = sum(appended >= floor for appended in left_out.values())
    messages = sum(figures[0] for figures in ours.values())
    return Compared(topic.name, messages, recent, len(apart), ahead, tuple(differences))


def _difference(topic: Topic, spot: Spot, minute: int, ours: Figures | None, theirs: Figures | None) -> str:
    place = f"{topic.name}, partition {spot[0]}, offset {spot[1]} ({datetime.fromtimestamp(minute, UTC):%Y-%m-%d %H:%M} UTC)"
    if ours is None:
        return f"{place}: only the lane has it"
    if theirs is None:
        return f"{place}: only the warehouse has it"
    return f"{place}: the warehouse has {_said(topic, ours)}, the lane {_said(topic, theirs)}"


def _said(topic: Topic, figures: Figures) -> str:
    return f"event {figures[0]}, {AMOUNTS[topic]} {figures[1].normalize():f}"


class Warehouse:
    """The raw tables. A message that was appended twice counts once."""

    def __init__(self, config: Settings, ask: Ask) -> None:
        self._ask = ask
        self._snowflake = config.dbt_target != "duckdb"
        self._database = f"{config.snowflake_raw_database}." if self._snowflake else ""

    def reached(self) -> dict[str, Bounds]:
        """How far the load has come, by stream. Another Airbyte than the local one keeps its state to itself: then it is as far as the rows are."""
        tables = {
            (schema.lower(), name.lower())
            for schema, name in self._ask(
                f"select table_schema, table_name from {self._database}information_schema.tables"
            )
        }
        streams = [table_of(topic) for topic in AMOUNTS if (CONNECTION, table_of(topic)) in tables]
        if not streams:
            raise EltError(
                "the warehouse has no table of the lane's topics yet", "elt sync --connection stream"
            )
        if ("airbyte_internal", "state") in tables:
            return {name: bounds for name, bounds in self._states() if name in streams}
        return {name: self._extremes(name) for name in streams}

    def _states(self) -> Iterator[tuple[str, Bounds]]:
        internal = f"{self._database}airbyte_internal"
        for name, text in self._ask(
            f"select stream_name, cast(state as varchar) from {internal}.state where connection_id in"
            f" (select connection_id from {internal}.syncs where connection_name = '{CONNECTION}') order by committed_at"
        ):
            partitions = (unpacked(text).get("blob") or {}).get("partitions", {})
            yield name, {int(number): (each["first"], each["next"]) for number, each in partitions.items()}

    def _extremes(self, name: str) -> Bounds:
        partition, offset = self._named("partition"), self._named("offset")
        rows = self._ask(
            f"select {partition}, min({offset}), max({offset}) + 1 from {self._database}{CONNECTION}.{name} group by 1"
        )
        return {int(number): (int(first), int(end)) for number, first, end in rows}

    def minutes(self, topic: Topic, bounds: Bounds, floor: datetime) -> dict[Spot, Figures]:
        """Of each minute: messages, sum of their offsets, different events, sum of the amount."""
        rows = self._ask(
            "select place, appended_minute, count(*), sum(number), count(distinct event_id), sum(amount)"
            f" from ({self._events(topic, bounds)}) as events where appended_at >= '{floor:%Y-%m-%d %H:%M:%S}+00:00'"
            " group by place, appended_minute"
        )
        return {(int(row[0]), int(row[1])): (*map(int, row[2:5]), Decimal(str(row[5] or 0))) for row in rows}

    def messages(self, topic: Topic, bounds: Bounds, minute: int) -> dict[int, Figures]:
        """Of each message of a minute: its event and amount."""
        rows = self._ask(
            f"select number, event_id, amount from ({self._events(topic, bounds)}) as events where appended_minute = {minute}"
        )
        return {int(number): (event, Decimal(str(amount or 0))) for number, event, amount in rows}

    def left_out(self, topic: Topic, bounds: Bounds) -> dict[Spot, datetime]:
        """The messages that are no events, with when Kafka took them."""
        rows = self._ask(
            f"select {self._named('partition')}, {self._named('offset')}, max(appended_at) from {self._table(topic)}"
            f" where left_out is not null and {self._within(bounds)} group by 1, 2"
        )
        return {(int(partition), int(offset)): _utc(appended) for partition, offset, appended in rows}

    def there(self, topic: Topic, spots: set[Spot]) -> set[Spot]:
        """Those of these messages that are rows, of whatever kind and age."""
        found, left = set(), sorted(spots)
        while left:
            some, left = left[:AT_ONCE], left[AT_ONCE:]
            listed = ", ".join(f"({partition}, {offset})" for partition, offset in some)
            found |= {
                (int(partition), int(offset))
                for partition, offset in self._ask(
                    f"select {self._named('partition')}, {self._named('offset')} from {self._table(topic)}"
                    f" where ({self._named('partition')}, {self._named('offset')}) in ({listed})"
                )
            }
        return found

    def _events(self, topic: Topic, bounds: Bounds) -> str:
        partition, offset = self._named("partition"), self._named("offset")
        return (
            f"select {partition} as place, {offset} as number, min(event_id) as event_id, min(appended_at) as appended_at,"
            " min(date_part('epoch', date_trunc('minute', appended_at))) as appended_minute,"
            f" min(cast({AMOUNTS[topic]} as decimal(38, 6))) as amount"
            f" from {self._table(topic)} where left_out is null and {self._within(bounds)} group by {partition}, {offset}"
        )

    def _table(self, topic: Topic) -> str:
        return f"{self._database}{CONNECTION}.{table_of(topic)}"

    def _within(self, bounds: Bounds) -> str:
        return _within(bounds, self._named("partition"), self._named("offset"))

    def _named(self, column: str) -> str:
        return f'"{column.upper() if self._snowflake else column}"'


class Lane:
    """The tables of ClickHouse, asked by HTTP as the user who only reads."""

    def __init__(self, config: Settings) -> None:
        self._config = config

    def minutes(self, topic: Topic, bounds: Bounds, floor: datetime) -> dict[Spot, Figures]:
        """As `Warehouse.minutes`."""
        rows = self._ask(
            "select `partition`, toUnixTimestamp(toStartOfMinute(appended_at)), count(), sum(`offset`), uniqExact(event_id),"
            f" toString(sum(toDecimal128({AMOUNTS[topic]}, 6))) from {table_of(topic)} final"
            f" where {_within(bounds)} and {_since(floor)} group by 1, 2"
        )
        return {(int(row[0]), int(row[1])): (*map(int, row[2:5]), Decimal(row[5])) for row in rows}

    def messages(self, topic: Topic, bounds: Bounds, minute: int) -> dict[int, Figures]:
        """As `Warehouse.messages`."""
        rows = self._ask(
            f"select `offset`, event_id, toString(toDecimal128({AMOUNTS[topic]}, 6)) from {table_of(topic)} final"
            f" where {_within(bounds)} and toUnixTimestamp(toStartOfMinute(appended_at)) = {minute}"
        )
        return {int(offset): (event, Decimal(amount)) for offset, event, amount in rows}

    def letters(self, topic: Topic, bounds: Bounds, floor: datetime) -> set[Spot]:
        """The messages of which the sink has written a dead letter."""
        rows = self._ask(
            "select distinct of_partition, of_offset from dead_letters final"
            f" where origin = '{GROUP}' and of_topic = '{topic.name}' and {_within(bounds, 'of_partition', 'of_offset')}"
            f" and {_since(floor)}"
        )
        return {(int(partition), int(offset)) for partition, offset in rows}

    def _ask(self, query: str) -> list[list[Any]]:
        """Raises EltError with ClickHouse's words."""
        place = self._config.stream_clickhouse_base
        try:
            reply = httpx.post(
                place,
                params={"database": self._config.stream_clickhouse_database},
                content=f"{query} format JSONCompact",
                auth=self._config.stream_clickhouse_login(writes=False),
                timeout=60,
            )
        except httpx.HTTPError as error:
            raise self._away(str(error) or type(error).__name__) from None
        if not reply.is_success:
            raise self._away(reply.text)
        rows: list[list[Any]] = reply.json()["data"]
        return rows

    def _away(self, reason: str) -> EltError:
        return EltError(
            f"ClickHouse at {self._config.stream_clickhouse_base} can't be read: {' '.join(reason.split())[:300]}",
            "check that it runs (here: elt up stream), then try again",
            kind=Kind.RETRY,
        )


def _within(bounds: Bounds, partition: str = "`partition`", offset: str = "`offset`") -> str:
    each = (
        f"({partition} = {number} and {offset} >= {first} and {offset} < {end})"
        for number, (first, end) in bounds.items()
    )
    return f"({' or '.join(each)})"


def _since(floor: datetime) -> str:
    return f"appended_at >= toDateTime64('{floor:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
