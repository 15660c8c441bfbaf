"""Figures per minute, of the minute in which Kafka took a message.

A materialized view of ClickHouse fires on every insert, so it counts a replayed message again, and an insert that is cut off by a kill
leaves table and view apart. So the sink recomputes the minutes that a batch has touched, from the rows without their duplicates, before it
commits the batch: a replay computes the same again. A recomputed row replaces the one before it, since `messages` only grows: of two
sinks that recompute a minute at once, the one that saw more is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from streaming.catalogue import CARDS, ORDER_STATUS, ORDERS, PAGE_VIEWS, Topic
from streaming.sink.tables import table_of

DAYS = 90


@dataclass(frozen=True)
class PerMinute:
    """Figures of a topic by minute and `by`; both map a column to its type and its expression."""

    topic: Topic
    by: dict[str, tuple[str, str]]
    figures: dict[str, tuple[str, str]]

    @property
    def name(self) -> str:
        return f"{table_of(self.topic)}_per_minute"

    def create(self, database: str) -> list[str]:
        """The table of recomputed rows, and the view with the last one of each."""
        typed = {name: kind for name, (kind, _) in (self.by | self.figures).items()}
        columns = ", ".join(f"`{name}` {kind}" for name, kind in typed.items())
        key = ", ".join(("minute", *(f"`{name}`" for name in self.by)))
        shown = ", ".join(("minute", *(f"`{name}`" for name in typed), "messages"))
        return [
            f"create table if not exists `{database}`.`{self.name}_computed`"
            f" (minute DateTime('UTC'), {columns}, messages UInt64) engine = ReplacingMergeTree(messages)"
            f" partition by toYYYYMM(minute) order by ({key}) ttl minute + interval {DAYS} day",
            f"create or replace view `{database}`.`{self.name}` as select {shown} from `{database}`.`{self.name}_computed` final",
        ]

    def recompute(self, database: str, moments: Iterable[datetime]) -> str:
        """The statement that computes anew the minutes of these moments."""
        minutes = sorted({moment.replace(second=0, microsecond=0) for moment in moments})
        listed = ", ".join(f"'{minute:%Y-%m-%d %H:%M:%S}'" for minute in minutes)
        columns = self.by | self.figures
        values = ", ".join(f"{value} as `{name}`" for name, (_, value) in columns.items())
        names = ", ".join(f"`{name}`" for name in columns)
        grouped = ", ".join(("minute", *(f"`{name}`" for name in self.by)))
        first, last = minutes[0], minutes[-1]
        return (
            f"insert into `{database}`.`{self.name}_computed` (minute, {names}, messages)"
            f" select toStartOfMinute(toDateTime(t.appended_at, 'UTC')) as minute, {values}, count() as messages"
            f" from `{database}`.`{table_of(self.topic)}` as t final"
            f" where t.appended_at >= '{first:%Y-%m-%d %H:%M:%S}'"
            f" and t.appended_at < toDateTime('{last:%Y-%m-%d %H:%M:%S}', 'UTC') + interval 1 minute"
            f" and minute in ({listed}) group by {grouped}"
        )


LINE_TOTAL = (
    "arraySum(arrayMap((price, discount, pieces) -> price * (toDecimal128(1, 6) - discount) * pieces,"
    " t.lines.unitprice, t.lines.unitpricediscount, t.lines.orderqty))"
)
PER_MINUTE = (
    PerMinute(
        ORDERS,
        {"channel_name": ("LowCardinality(String)", "if(t.onlineorderflag, 'Online', 'Reseller')")},
        {
            "orders": ("UInt64", "uniqExact(t.salesorderid)"),
            "units": ("Int64", "sum(arraySum(t.lines.orderqty))"),
            "revenue": ("Decimal(38, 6)", f"toDecimal128(sum({LINE_TOTAL}), 6)"),
        },
    ),
    PerMinute(
        ORDER_STATUS,
        {"status": ("Int32", "t.status")},
        {"changes": ("UInt64", "count()"), "orders": ("UInt64", "uniqExact(t.salesorderid)")},
    ),
    PerMinute(
        PAGE_VIEWS,
        {"device_type": ("LowCardinality(String)", "t.device_type")},
        {  # the site's API gives some views twice
            "page_views": ("UInt64", "uniqExact(t.event_id)"),
            "visitors": ("UInt64", "uniqExact(t.visitor)"),
            "sessions": ("UInt64", "uniqExact(t.session_id)"),
        },
    ),
    PerMinute(
        CARDS,
        {"channel": ("LowCardinality(String)", "t.channel")},
        {
            "payments": ("UInt64", "count()"),
            "amount": ("Decimal(38, 2)", "toDecimal128(sum(t.amount), 2)"),
            "abroad": ("UInt64", "countIf(t.country != t.card_country)"),
        },
    ),
)
