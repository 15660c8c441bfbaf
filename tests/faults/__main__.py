"""`python -m tests.faults --histories 50 --seed 1`: run histories of faults; exit code 1 when one lost something.

A history is its seed: `--histories 1 --seed N` runs that one again. The last line is a summary as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fixtures.source import FAST, PREPARED, SLOTS, make_server


def main() -> int:
    from tests.faults.histories import History

    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--histories", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next ones count on")
    parser.add_argument("--steps", type=int, default=4, help="faults in each history")
    parser.add_argument(
        "--minutes", type=float, default=0, help="begin no history after so long (0: no limit)"
    )
    options = parser.parse_args()
    started = time.monotonic()
    lost: list[int] = []
    told: Counter[str] = Counter()
    done = 0
    with TemporaryDirectory(prefix="elt-faults-") as folder:
        source = make_server(Path(folder) / "source", **FAST, **PREPARED, **SLOTS)
        source.cluster.start()
        try:
            history = None
            for seed in range(options.seed, options.seed + options.histories):
                if options.minutes and time.monotonic() - started > options.minutes * 60:
                    break
                try:
                    history = history or History(source, Path(folder) / f"home-{seed}")
                    history.run(seed, options.steps)
                except Exception:  # noqa: BLE001 - whatever it is, the seed names it
                    lost.append(seed)
                    print(f"seed {seed}: LOST", traceback.format_exc(), sep="\n", flush=True)
                    if history:
                        told += history.told
                        history.close()
                    history = None  # the next one begins anew
                done += 1
                print(f"{done} of {options.histories}, {len(lost)} lost", file=sys.stderr, flush=True)
            if history:
                told += history.told
                history.close()
        finally:
            source.cluster.stop()
    seconds = round(time.monotonic() - started)
    summary = {
        "histories": done,
        "first seed": options.seed,
        "lost": lost,
        "seconds": seconds,
        "faults": dict(sorted(told.items())),
    }
    print(json.dumps(summary))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
