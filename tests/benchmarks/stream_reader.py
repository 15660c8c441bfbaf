"""`.venv-stream/bin/python stream_reader.py`: say `ready`, take payments until a line comes on standard input, then say how late they were, as JSON."""

from __future__ import annotations

import json
import select
import sys
import time
from datetime import UTC, datetime

from confluent_kafka import Consumer
from confluent_kafka.serialization import MessageField, SerializationContext

from foundation.settings import settings
from streaming.catalogue import CARDS
from streaming.client import connection
from streaming.schemas import Schemas

AFTER_SECONDS = 3.0  # that it reads on


def main() -> None:
    consumer = Consumer(
        connection(settings())
        | {
            "group.id": "benchmark",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.subscribe([CARDS.name], on_assign=lambda *_: print("ready", flush=True))
    decode, context = Schemas(settings()).deserializer(), SerializationContext(CARDS.name, MessageField.VALUE)
    late: list[float] = []
    ended, before = None, 0
    while ended is None or time.monotonic() - ended < AFTER_SECONDS:
        for message in consumer.consume(500, 0.05):
            if message.error():
                raise SystemExit(str(message.error()))
            event = decode(message.value(), context)
            late.append((datetime.now(UTC) - event["occurred_at"]).total_seconds())
        if ended is None and select.select([sys.stdin], [], [], 0)[0]:
            ended, before = time.monotonic(), len(late)
    late.sort()
    parts = {f"p{n}_seconds": round(late[int(len(late) * n / 100)], 3) for n in (50, 95, 99)}
    print(
        json.dumps(
            {"events": len(late), "behind": len(late) - before, **parts, "max_seconds": round(late[-1], 3)}
        )
    )
    consumer.close()


if __name__ == "__main__":
    main()
