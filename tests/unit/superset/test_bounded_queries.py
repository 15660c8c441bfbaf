"""A query that somebody types has its time and its memory; objects of the same shape replace those of Superset's environment."""

from __future__ import annotations

import subprocess
import sys
import time
from types import ModuleType

import duckdb
import pytest
from flask import Flask

from foundation.settings import ROOT

FOLDER = ROOT / "infrastructure" / "superset"


@pytest.fixture
def cursor(monkeypatch):
    """A cursor of the engine over a real connection, with statements of at most 0.3 s."""

    class CursorWrapper:
        def __init__(self, connection):
            self.inner = connection

        def execute(self, statement, parameters=None, context=None):
            self.inner.execute(statement)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    engine = ModuleType("duckdb_engine")
    engine.CursorWrapper = CursorWrapper
    monkeypatch.setitem(sys.modules, "duckdb_engine", engine)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "statement_timeout", raising=False)
    import statement_timeout

    statement_timeout.install(0.3)
    return CursorWrapper(duckdb.connect(config={"threads": "1"}))


@pytest.mark.threat("a query that takes all memory or time")
def test_a_query_that_takes_too_long_is_ended_and_the_next_is_answered(cursor):
    started = time.monotonic()
    with pytest.raises(duckdb.InterruptException):
        cursor.execute("select count(*) from range(1000000000000) t(a) where sqrt(a) < 0")
    assert time.monotonic() - started < 5
    cursor.execute("select 42")
    assert cursor.fetchall() == [(42,)]
    time.sleep(0.4)  # a timer that was not cancelled would interrupt by now
    cursor.execute("select 43")
    assert cursor.fetchall() == [(43,)]


DEAF = """
import signal, sys, types, duckdb

class CursorWrapper:
    def __init__(self, connection): self.inner = connection
    def execute(self, statement): self.inner.execute(statement)
    def interrupt(self): self.inner.interrupt()

sys.modules["duckdb_engine"] = types.SimpleNamespace(CursorWrapper=CursorWrapper)
import statement_timeout

# as gunicorn's worker, which waits for its threads
signal.signal(signal.SIGTERM, lambda *_: print("no more requests", flush=True))
statement_timeout.install(0.2, deaf=0.3, leave=0.3)
CursorWrapper(duckdb.connect(config={"threads": "1"})).execute("select list_reduce(range(50000000), (a, b) -> a + b)")
print("it was not ended")
"""


@pytest.mark.threat("a query that takes all memory or time")
def test_a_query_that_hears_no_interrupt_ends_with_its_worker():
    """gunicorn replaces a worker that has ended; a thread within the engine can't be ended otherwise."""
    done = subprocess.run(
        [sys.executable, "-c", DEAF],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(FOLDER)},
    )
    assert done.returncode == 1 and "it was not ended" not in done.stdout
    assert "goes on 0.3 s after its interrupt: this worker ends" in done.stderr


SLOW = """
import signal, sys, time, types

sys.modules["duckdb_engine"] = types.SimpleNamespace()
import bounded_requests

signal.signal(signal.SIGTERM, lambda *_: print("no more requests", flush=True))

def app(environ, start_response):
    until = time.monotonic() + environ["seconds"]
    while time.monotonic() < until: pass
    return [b"answered"]

in_time = bounded_requests.InTime(app, 0.5, leave=0.3)
print(in_time({"seconds": 0.1, "PATH_INFO": "/"}, None), flush=True)
time.sleep(1)
print(in_time({"seconds": 30, "PATH_INFO": "/slow"}, None), "it was not ended")
"""


@pytest.mark.threat("a query that takes all memory or time")
def test_a_request_that_is_not_answered_ends_with_its_worker():
    """Whatever it computes: what Superset makes of a query's rows is no statement."""
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(FOLDER)},
    )
    assert done.returncode == 1 and done.stdout.splitlines() == ["[b'answered']", "no more requests"]
    assert "/slow is not answered after 0.5 s: this worker ends" in done.stderr


@pytest.fixture
def figures(monkeypatch):
    """A client of an application that answers all that passes."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, "statement_timeout", raising=False)
    monkeypatch.setitem(sys.modules, "duckdb_engine", ModuleType("duckdb_engine"))
    import bounded_requests

    app = Flask(__name__)
    bounded_requests.install(app)
    app.add_url_rule("/api/v1/chart/data", "data", lambda: "figures", methods=["POST"])
    return app.test_client()


@pytest.mark.threat("a query that takes all memory or time")
def test_a_request_has_a_few_queries_and_a_query_a_few_other_times(figures):
    def ask(queries):
        answer = figures.post("/api/v1/chart/data", json={"queries": queries})
        return answer.status_code, answer.text if answer.status_code == 200 else answer.json["message"]

    assert ask([{}] * 16) == ask([{"time_offsets": ["1 year ago"] * 16}]) == (200, "figures")
    assert ask([{}] * 17) == (400, "a request has at most 16 queries, not 17")
    status, reason = ask([{"time_offsets": ["1 year ago"] * 17}])
    assert (status, reason) == (400, "a query is compared with at most 16 other times, not 17")
    for odd in ({}, [], {"queries": 1}, {"queries": [1]}, {"queries": [{"time_offsets": 1}]}):
        assert figures.post("/api/v1/chart/data", json=odd).text == "figures"  # Superset says what is wrong


GREEDY = """
import resource, duckdb
resource.setrlimit(resource.RLIMIT_DATA, (512 << 20, 512 << 20))
connection = duckdb.connect(config={"memory_limit": "64MB", "threads": "1"})
try:
    connection.execute("select len(list_sort(range(40000000)))").fetchall()
except duckdb.OutOfMemoryException as error:
    print(str(error).split(":")[0])
print(connection.execute("select 42").fetchall())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.threat("a query that takes all memory or time")
def test_beyond_its_data_limit_a_process_refuses_the_query_and_lives_on():
    """What post_fork of gunicorn_config.py sets for a worker; memory_limit alone lets lists grow beyond it."""
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "Out of Memory Error\n[(42,)]\n", done.stderr
    assert (
        "setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))"
        in (FOLDER / "gunicorn_config.py").read_text()
    )
