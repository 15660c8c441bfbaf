"""`python -m streaming.launch streaming.enricher`: the enricher in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import os
import signal
from threading import Event

from foundation.errors import EltError, Kind, in_one_line, one_line
from foundation.private import private
from foundation.settings import settings

AGAIN_SECONDS = 2.0


def main() -> None:
    """Enrich. What is away is waited for; the state and the topics are as of the last transaction."""
    private()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one payment is scored at a time
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("httpx", "quixstreams"):  # what matters of it is said here
        logging.getLogger(talkative).setLevel(logging.CRITICAL)
    from confluent_kafka import KafkaError, KafkaException
    from quixstreams.exceptions import QuixException

    from streaming.enricher.app import NAME, Enricher
    from streaming.sink.messages import Away
    from streaming.topics import ensure

    over = Event()
    with one_line("stream-enricher"):
        while not over.is_set():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: over.set())
            try:
                ensure(settings())
                enricher = Enricher(settings())
                if not over.is_set():
                    print("enricher: at work", flush=True)
                    enricher.run()
                    return
            except (EltError, KafkaException, QuixException, Away) as error:
                if isinstance(error, EltError) and error.kind is not Kind.RETRY:
                    raise
                if isinstance(error, KafkaException) and error.args[0].code() in (
                    KafkaError._FENCED,
                    KafkaError.PRODUCER_FENCED,
                    KafkaError.FENCED_INSTANCE_ID,
                ):
                    raise EltError(
                        "another enricher has begun, or Kafka has ended a transaction that took too long",
                        "let one of them run; it goes on where its events end",
                    ) from None
                print(f"{NAME}: {in_one_line(str(error))}; again in {AGAIN_SECONDS:g} s", flush=True)
                over.wait(AGAIN_SECONDS)


if __name__ == "__main__":
    main()
