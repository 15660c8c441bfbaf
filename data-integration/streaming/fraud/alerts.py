"""`python -m streaming.launch streaming.fraud.alerts`: what is suspected of fraud goes to Slack, until SIGTERM or SIGINT.

A message has all that waits, so that a burst is a few messages: BURST may go at once, then one in EVERY_SECONDS. The offsets are committed
when Slack has taken it: after a kill a message may come twice. It has a payment's id, amount and reason, and nothing of the card.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, Message

from foundation.errors import EltError, Kind, in_one_line, one_line
from foundation.private import private
from foundation.settings import Settings, settings
from foundation.slack import webhook
from streaming.catalogue import CARDS_SCORED
from streaming.client import member, unreachable
from streaming.schemas import Schemas
from streaming.sink.messages import Away, Poison, event_of
from streaming.topics import ensure

log = logging.getLogger(__name__)

GROUP = "fraud-alerts"
GATHER_SECONDS = 0.2
BURST, EVERY_SECONDS = 5, 6.0
SHOWN = 10  # payments of a message; the others are counted
OLDEST = timedelta(hours=1)  # what is older is nobody's to stop any more
AGAIN_SECONDS = 2.0

Payment = dict[str, Any]


@dataclass
class Pace:
    """How often a message may go: `left` at once, and one more after each EVERY_SECONDS."""

    clock: Callable[[], float] = time.monotonic
    left: float = BURST
    _at: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._at = self.clock()

    def may(self) -> bool:
        """Whether one may go now; then it counts as gone."""
        now = self.clock()
        self.left, self._at = min(BURST, self.left + (now - self._at) / EVERY_SECONDS), now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def text_of(payments: Sequence[Payment], environment: str) -> str:
    """A message in Slack's mrkdwn."""
    number = len(payments)
    head = "A payment looks like fraud" if number == 1 else f"{number:,} payments look like fraud"
    lines = [f":rotating_light: *{head}* · {environment}"]
    lines += [
        f"`{one['event_id']}` {one['amount']:,.2f} USD: {one['reason']} (score {one['score']:.2f})"
        for one in payments[:SHOWN]
    ]
    if number > SHOWN:
        lines.append(
            f"and {number - SHOWN:,} more, {sum(one['amount'] for one in payments[SHOWN:]):,.2f} USD"
        )
    return "\n".join(lines)


class Alerts:
    """Reads `shop.card_transactions_scored` and tells Slack what is suspected."""

    def __init__(self, config: Settings, stopped: Callable[[], bool]) -> None:
        self._config, self._stopped = config, stopped
        self._read = Schemas(config).deserializer(CARDS_SCORED)
        self._url, self._pace = webhook(config), Pace()
        self._waiting: list[Payment] = []

    def run(self) -> None:
        """Raises EltError, Away: something is away."""
        consumer = Consumer(member(self._config, GROUP, 8 << 10))
        consumer.subscribe([CARDS_SCORED.name])
        taken = False  # since the last commit
        try:
            with httpx.Client(timeout=5) as client:
                while not self._stopped():
                    messages = consumer.consume(1_000, GATHER_SECONDS)
                    self._waiting += [each for one in messages if (each := self._suspected(one))]
                    taken = taken or any(one.error() is None for one in messages)
                    if self._waiting and self._pace.may() and self._sent(client):
                        self._waiting.clear()
                    if taken and not self._waiting:
                        consumer.commit(asynchronous=False)
                        taken = False
        except KafkaException as error:
            raise unreachable(self._config, error) from None
        finally:
            consumer.close()

    def _suspected(self, message: Message) -> Payment | None:
        error, value = message.error(), message.value()
        if error is not None:
            log.warning("Kafka: %s", error.str())
            return None
        try:
            found = event_of(value, CARDS_SCORED, self._read) if value else None
        except Poison as poison:
            log.warning("passed over: %s", poison)
            return None
        return found if found and found["suspected"] and _is_recent(found) else None

    def _sent(self, client: httpx.Client) -> bool:
        text = text_of(self._waiting, self._config.elt_environment)
        block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
        try:
            answer = client.post(self._url, json={"text": text, "blocks": [block]})
            if answer.is_success:
                return True
            reason = str(answer.status_code)
        except httpx.HTTPError as error:
            reason = type(error).__name__  # its words have the webhook
        log.warning("Slack did not take an alert (%s); again later", reason)
        self._waiting = [each for each in self._waiting if _is_recent(each)]
        return False


def _is_recent(payment: Payment) -> bool:
    return bool(datetime.now(UTC) - payment["occurred_at"] < OLDEST)


def main() -> None:
    """Tell Slack; what is away is waited for."""
    private()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.ERROR)  # it would say the webhook, which is a secret
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with one_line("stream-alerts"):
        while not over.is_set():
            try:
                ensure(settings())
                print("alerts: at work", flush=True)
                Alerts(settings(), over.is_set).run()
            except (EltError, Away) as error:
                if isinstance(error, EltError) and error.kind is not Kind.RETRY:
                    raise
                print(f"alerts: {in_one_line(str(error))}; again in {AGAIN_SECONDS:g} s", flush=True)
                over.wait(AGAIN_SECONDS)


if __name__ == "__main__":
    main()
