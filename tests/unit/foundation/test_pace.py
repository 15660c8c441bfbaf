"""Events come at their rate, and end when they are asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from foundation.pace import paced
from tests.fixtures.waiting import wait_until

ASKED = """
import time
from foundation.commands import asked_to_stop
stopped = asked_to_stop()
print("ready", flush=True)
while not stopped():
    time.sleep(0.01)
print("asked", flush=True)
time.sleep(60)
"""


def test_events_come_no_sooner_than_their_rate_and_the_first_at_once() -> None:
    started = time.monotonic()
    at = [time.monotonic() - started for _ in paced(50, events=6)]
    assert len(at) == 6 and all(moment >= number / 50 for number, moment in enumerate(at))
    assert next(paced(0.01)) == 1 and time.monotonic() - started < 50


def test_late_events_are_made_up_for() -> None:
    events = paced(10, events=10)
    next(events)
    time.sleep(1)
    late = time.monotonic()
    assert list(events) == list(range(2, 11))
    assert time.monotonic() - late < 0.6  # not the 0.9 of nine waits


def test_it_ends_after_its_seconds_though_the_next_event_is_far_away() -> None:
    started = time.monotonic()
    assert list(paced(0.01, seconds=0.15)) == [1]
    assert time.monotonic() - started < 1


def test_it_ends_when_it_is_asked_to_before_the_first_event_and_in_a_wait() -> None:
    assert list(paced(1, lambda: True)) == []
    taken: list[int] = []
    for number in paced(0.01, lambda: bool(taken)):
        taken.append(number)
    assert taken == [1]


def test_the_first_signal_asks_to_stop_and_the_second_stops_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", ASKED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        os.kill(process.pid, signal.SIGINT)
        wait_until(lambda: process.poll() is not None, 30)
    assert process.returncode == -signal.SIGINT
