"""How fast the connectors of optional sources bring rows, and how much of the processor's time is ours.

    python tests/benchmarks/connectors.py [--days 200] [--source weather]… [--json]

The local services, and the store of the posts' files, run in processes of their own, faults off. Each source is synced once into a new DuckDB file, as a job does it, in
this process; the connector's commands are its children. `rows_per_second`: from the start of the sync to its end, check and discovery
included. `our_share`: our processor time of ours and the connector's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx

from foundation.settings import settings
from posts.writing import Posts
from tests.fixtures.apis import Clock, Syncs
from tests.fixtures.lake import seaweed
from tests.fixtures.posts import Wall
from tests.fixtures.source import free_port
from tests.fixtures.waiting import wait_until

TOKEN = "token-of-a-benchmark"
SOURCES = ("rates", "weather", "github", "posts")


def services(port: int, home: Path) -> subprocess.Popen[bytes]:
    """The local services, once they answer."""
    environ = os.environ | {
        "ELT_HOME": str(home),
        "APIS_PORT": str(port),
        "APIS_FAULTS": "false",
        "APIS_CALLS_PER_MINUTE": "1000000",
        "WEATHER_API_KEY": TOKEN,
        "GITHUB_TOKENS": ",".join(f"{TOKEN}-{number}" for number in range(5)),
    }
    process = subprocess.Popen([sys.executable, "-m", "local_apis"], env=environ, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    wait_until(answers, 60)
    return process


def configuration(source: str, port: int, days: int) -> dict[str, Any]:
    start = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    base = f"http://127.0.0.1:{port}"
    if source == "rates":
        quotes = ["AUD", "BRL", "CAD", "CHF", "CNY", "EUR", "GBP", "INR", "JPY", "MXN"]
        return {"url": f"{base}/rates/v2", "base": "USD", "quotes": quotes, "start_date": start}
    if source == "weather":
        countries = ["US", "CA", "GB", "FR", "DE", "AU"]
        return {
            "url": f"{base}/weather/v1",
            "api_key": TOKEN,
            "countries": countries,
            "start_date": start,
        }
    tokens = ",".join(f"{TOKEN}-{number}" for number in range(5))
    return {
        "credentials": {"option_title": "PAT Credentials", "personal_access_token": tokens},
        "repositories": ["apache/airflow", "dagster-io/dagster", "kestra-io/kestra"],
        "start_date": f"{start}T00:00:00Z",
        "api_url": f"{base}/github",
    }


def processor_seconds(of: int) -> float:
    used = resource.getrusage(of)
    return used.ru_utime + used.ru_stime


def sync_of(source: str, port: int, days: int, home: Path, stack: ExitStack) -> Callable[[], int]:
    """A sync of a source into a new file, with what it needs."""
    syncs = Syncs(home / f"of_{source}.duckdb")  # a file called as a schema would hide it
    if source != "posts":
        return lambda: syncs.sync(source, configuration(source, port, days))
    now = datetime.now(UTC)
    lake = stack.enter_context(seaweed(home))
    wall = Wall(lake, syncs, Posts((now - timedelta(days=days)).date()), Clock(now))
    wall.drop()
    return wall.sync


def measure(source: str, sync: Callable[[], int]) -> dict[str, Any]:
    """One sync."""
    ours, theirs = processor_seconds(resource.RUSAGE_SELF), processor_seconds(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    rows = sync()
    seconds = time.monotonic() - started
    ours = processor_seconds(resource.RUSAGE_SELF) - ours
    theirs = processor_seconds(resource.RUSAGE_CHILDREN) - theirs
    return {
        "source": source,
        "rows": rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "our_share": round(ours / (ours + theirs), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=200, help="of history")
    parser.add_argument("--source", action="append", choices=SOURCES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="connectors-"))
    kept = os.environ.get("ELT_TEST_CONNECTORS")
    os.environ["ELT_HOME"] = kept or str(home)
    settings.cache_clear()
    port = free_port()
    process = services(port, home)
    try:
        from airbyte_local.sources.connector.environment import ensure
        from airbyte_local.sources.connector.registry import connector_of

        chosen = options.source or SOURCES
        for source in chosen:
            ensure(connector_of("s3" if source == "posts" else source))  # not measured
        with ExitStack() as stack:
            results = [measure(source, sync_of(source, port, options.days, home, stack)) for source in chosen]
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)
    for result in results:
        print(json.dumps(result) if options.json else "  ".join(f"{k} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
