"""How long `elt source generate` takes: making the rows, and loading them into the configured source database.

    python tests/benchmarks/generate.py [--scale 1] [--load] [--json]

`--load` replaces the content of the configured source database; without it the rows are made and written as CSV to nowhere.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

from adventureworks.arrow import csv_chunks
from adventureworks.database import connect_owner, replace_all
from adventureworks.generator import generate
from adventureworks.schema import tables

MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024  # what ru_maxrss counts


def measure(scale: float, load: bool) -> dict[str, float]:
    """Rows, seconds and megabytes (the greatest resident size of this process)."""
    started = time.monotonic()
    content = generate(scale)
    planned = time.monotonic()
    chunks = {name: csv_chunks(tables()[name], data) for name, data in content.items()}
    if load:
        with connect_owner() as conn:
            rows = sum(replace_all(conn, chunks).values())
    else:
        rows = sum(chunk.count(b"\n") for parts in chunks.values() for chunk in parts) - len(chunks)
    ended = time.monotonic()
    return {
        "scale": scale,
        "rows": rows,
        "plan_seconds": round(planned - started, 2),
        "seconds": round(ended - started, 2),
        "rows_per_second": round(rows / (ended - started)),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--load", action="store_true", help="replace the configured source's content")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.scale, options.load)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<18}{value:>14,}")


if __name__ == "__main__":
    main()
