"""`python -m streaming.producer NAME`: one producer in the foreground, as supervisord runs it. NAME: orders, page_views, cards.

`cards SEED RATE SECONDS` makes so many payments in a second, for so long; `forget NAME` lets one begin anew.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable

from foundation.errors import EltError, Kind, in_one_line, one_line
from foundation.private import private
from foundation.settings import Settings, settings

AGAIN_SECONDS = 2.0


def _orders(config: Settings, stopped: Callable[[], bool]) -> None:
    from streaming.producer.orders import Orders

    Orders(config, stopped).run()


def _page_views(config: Settings, stopped: Callable[[], bool]) -> None:
    from streaming.producer.page_views import PageViews

    PageViews(config, stopped).run()


def _cards(config: Settings, stopped: Callable[[], bool]) -> None:
    from streaming.producer.cards import Cards

    Cards(config, stopped, seed=config.stream_seed, rate=config.stream_cards_per_second).run()


PRODUCERS = {"orders": _orders, "page_views": _page_views, "cards": _cards}


def main(arguments: list[str]) -> None:
    """Produce until SIGTERM or SIGINT. Where something is away it waits for it; what a person has to mend is one line and exit code 2."""
    private()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with one_line("producer"):
        match arguments:
            case [name] if name in PRODUCERS:
                _for_ever(name, over)
            case ["cards", seed, rate, seconds]:
                _payments(int(seed), float(rate), float(seconds), over.is_set)
            case ["forget", name]:
                _forget(name)
            case _:
                raise EltError("no such producer", f"choose from {', '.join(PRODUCERS)}")


def _for_ever(name: str, over: threading.Event) -> None:
    while not over.is_set():
        try:
            PRODUCERS[name](settings(), over.is_set)
        except EltError as error:
            if error.kind is not Kind.RETRY:
                raise
            print(f"{name}: {in_one_line(str(error))}; again in {AGAIN_SECONDS:g} s", flush=True)
            over.wait(AGAIN_SECONDS)


def _payments(seed: int, rate: float, seconds: float, stopped: Callable[[], bool]) -> None:
    from streaming.producer.cards import Cards

    started = time.monotonic()
    made = Cards(settings(), stopped, seed=seed, rate=rate, seconds=seconds).run()
    print(f"{made:,} payments in {time.monotonic() - started:.1f} s", flush=True)


def _forget(name: str) -> None:
    if name == "orders":
        from streaming.producer.orders import forget

        forget(settings())
    else:
        from streaming.producer.outbox import Outbox

        outbox = Outbox(settings(), name)
        outbox.start([])
        outbox.forget()


if __name__ == "__main__":
    main(sys.argv[1:])
