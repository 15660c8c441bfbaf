"""The topics of the lane: what an event in each is about, and which events keep their order (those of one key)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCHEMAS = Path(__file__).parent / "schemas"
PARTITIONS = 4


@dataclass(frozen=True)
class Topic:
    """A topic. `schema`: the file in `schemas/` of its values; empty: they are no Avro. `compacted`: only the last value of a key stays."""

    name: str
    about: str
    key: str
    schema: str = ""
    partitions: int = PARTITIONS
    compacted: bool = False

    @property
    def subject(self) -> str:
        """What the registry calls the schema of its values."""
        return f"{self.name}-value"

    @property
    def text(self) -> str:
        """The schema of its values, as JSON."""
        return (SCHEMAS / f"{self.schema}.avsc").read_text()


ORDERS = Topic("shop.orders", "an order that was placed, with its lines", "order id", "order")
ORDER_STATUS = Topic(
    "shop.order_status",
    "an order's header after each change: status, dates, amounts",
    "order id",
    "order_status",
)
PAGE_VIEWS = Topic("shop.page_views", "a page that somebody looked at", "visitor", "page_view")
CARDS = Topic("shop.card_transactions", "a payment by card", "card", "card_transaction")
DEAD_LETTERS = Topic(
    "shop.dead_letters",
    "what could not be read, written or understood, with the reason",
    "where it is from",
    "dead_letter",
)
POSITIONS = Topic(
    "shop.positions", "how far each producer has come in its source", "producer", partitions=1, compacted=True
)
ORDERS_ENRICHED = Topic(
    "shop.orders_enriched",
    "an order with attributes of its customer and products, as they were published then",
    "order id",
    "order_enriched",
)
CARDS_SCORED = Topic(
    "shop.card_transactions_scored",
    "a payment with its features, and how likely it is fraud",
    "card",
    "card_transaction_scored",
)
WINDOWS = Topic("shop.windows", "a part of a minute's figures; parts add up", "minute", "window")
SESSIONS = Topic("shop.sessions", "a visit to the web site", "visitor", "session")
EVENTS = {topic.name: topic for topic in (ORDERS, ORDER_STATUS, PAGE_VIEWS, CARDS)}
DERIVED = {
    topic.name: topic for topic in (ORDERS_ENRICHED, CARDS_SCORED, WINDOWS, SESSIONS)
}  # by the enricher
TOPICS = EVENTS | DERIVED | {topic.name: topic for topic in (DEAD_LETTERS, POSITIONS)}
