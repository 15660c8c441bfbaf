"""How fast `airbyte_local` syncs, compared with what people use instead; with its own PostgreSQL, on free ports.

    python tests/benchmarks/sync.py [--rows 4000000] [--only NAME,…] [--json]
    python tests/benchmarks/sync.py --unchanged | --increment | --linear 1,4,10,20 | --large-value 100
    python tests/benchmarks/sync.py --wide [mixed,integers,text,"one table"]

A table on standard error, figures as JSON on standard output with `--json`. Peers run one after another, each in an
environment of its own, made on first use from the package index; one that cannot be had is null, with the reason.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from foundation.errors import EltError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for `tests`, when this file is run as a script

from tests.benchmarks import single
from tests.benchmarks.contestants import CONTESTANTS, Field, Load, Peer, PeerError
from tests.benchmarks.engine import engine
from tests.benchmarks.environments import CACHE, NotInstallable
from tests.benchmarks.order_lines import order_lines
from tests.benchmarks.wide import SHAPES, wide

MIB = 1 << 20
YES_NO = {True: "yes", False: "NO", None: ""}
console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the same clean-up as Ctrl-C
    try:
        result = measure(options)
    except KeyboardInterrupt:
        return 130
    except EltError as error:
        print(f"sync.py: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(result))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    first, _, rest = __doc__.partition("\n")
    made = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rows", type=int, default=4_000_000, help="order lines in the source (4000000)")
    made.add_argument("--only", metavar="NAME,…", help=f"some of {','.join(CONTESTANTS)}")
    made.add_argument(
        "--repeat",
        type=int,
        default=3,
        help="runs of each contestant that takes less than a minute; the fastest counts (3)",
    )
    made.add_argument("--price-type", default="numeric", help="type of the two price columns (numeric)")
    made.add_argument("--json", action="store_true", help="figures on standard output")
    made.add_argument("--keep", type=Path, metavar="DIR", help="keep the source there, and use it again")
    made.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="the peers' environments")
    mode = made.add_mutually_exclusive_group()
    mode.add_argument(
        "--unchanged", action="store_true", help="a sync of all AdventureWorks with nothing new"
    )
    mode.add_argument("--increment", action="store_true", help="a sync after 1 %% of the lines has changed")
    mode.add_argument("--linear", metavar="N,…", help="full loads of so many million lines: time and memory")
    mode.add_argument(
        "--large-value", type=int, metavar="MB", help="a row with one value of so many megabytes"
    )
    mode.add_argument(
        "--wide",
        metavar="SHAPE,…",
        nargs="?",
        const="mixed",
        help=f"changes of many columns, of {', '.join(SHAPES)}; mixed: 300 tables of an integer key and 59 columns, text and"
        " integer in turn, 2 rows of each updated",
    )
    return made


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Do what the options say; shows the table and returns the figures."""
    names = chosen(options.only, list(CONTESTANTS), "contestant")
    if options.wide:
        shapes = chosen(options.wide, list(SHAPES), "shape")
        with folders(options) as (source, runs):
            found = wide(source, runs, shapes)
        shown({"wide": [{"shape": name} | row for name, row in found.items()]})
        return {
            "wide" if name == "mixed" else f"wide_{name.replace(' ', '_')}": row
            for name, row in found.items()
        }
    if options.unchanged:
        with folders(options) as (source, runs):
            return shown(single.unchanged(source, runs))
    with folders(options) as (source, runs), ExitStack() as stack:
        lines = stack.enter_context(order_lines(source))
        field = Field(lines, stack.enter_context(engine(runs / "server")), runs, options.cache.absolute())
        if options.increment:
            return shown(single.increment(field, options.rows))
        if options.linear:
            sizes = [round(float(size) * 1e6) for size in options.linear.split(",")]
            return shown(single.linear(field, sizes))
        if options.large_value:
            return shown(single.large_value(field, options.large_value))
        console.print(f"filling the source with {options.rows:,} order lines")
        lines.fill(options.rows, options.price_type)
        return compare(field, names, options.repeat)


def chosen(only: str | None, all_: list[str], what: str) -> list[str]:
    """The chosen names (None: all), in their order. Raises EltError for an unknown one."""
    wanted = only.split(",") if only else all_
    if unknown := set(wanted) - set(all_):
        raise EltError(f"unknown {what} {', '.join(sorted(unknown))}", f"choose of {','.join(all_)}")
    return [name for name in all_ if name in wanted]


@contextmanager
def folders(options: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """The source's folder and one for everything else; what is not to be kept is removed at the end."""
    options.cache.mkdir(parents=True, exist_ok=True)
    runs = Path(tempfile.mkdtemp(prefix="run-", dir=options.cache.absolute()))
    runs.chmod(0o755)  # PostgreSQL's user passes through it
    source = options.keep.absolute() if options.keep else runs / "source"
    try:
        source.mkdir(parents=True, exist_ok=True)
        yield source, runs
    finally:
        shutil.rmtree(runs, ignore_errors=True)


# -- the comparison


def compare(field: Field, names: list[str], repeat: int) -> dict[str, Any]:
    """Run the contestants one after another; the others of the six are null in the answer."""
    loads = {name: attempt(field, name, repeat) for name in names}
    show_comparison(loads)
    rates = {name: round(load.rate) if (load := loads.get(name)) else None for name in CONTESTANTS}
    return {"rows_per_second": rates}


def attempt(field: Field, name: str, repeat: int) -> Load | None:
    """The fastest of some runs; None, and the reason on standard error, when there is none."""
    contestant = CONTESTANTS[name]
    once = isinstance(contestant, Peer) and contestant.slow
    best, spent = None, 0.0
    for _ in range(1 if once else repeat):
        try:
            load = contestant(field)
        except (PeerError, NotInstallable) as error:
            console.print(f"{name}: {error}", markup=False, style="yellow")
            return None
        console.print(f"{name}: {load.rows:,} rows in {load.seconds:.2f} s", style="dim")
        best = load if best is None or load.seconds < best.seconds else best
        spent += load.seconds
        if spent + load.seconds > 60:
            break
    return best


def show_comparison(loads: dict[str, Load | None]) -> None:
    """Rates, and the two ratios that count."""
    done = {name: load for name, load in loads.items() if load is not None}
    limit = done["copy_discard"].rate if "copy_discard" in done else None
    dlt = max((load.rate for name, load in done.items() if name.startswith("dlt_")), default=None)
    table = Table(title="PostgreSQL → DuckDB")
    for heading in ("", "rows", "seconds", "rows/s", "of copy", "× dlt", "exact", "peak MiB"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, load in loads.items():
        if load is None:
            table.add_row(name, "not measured")
            continue
        table.add_row(
            name,
            f"{load.rows:,}",
            f"{load.seconds:.2f}",
            f"{load.rate:,.0f}",
            f"{load.rate / limit:.0%}" if limit else "",
            f"{load.rate / dlt:.2f}" if dlt else "",
            YES_NO[load.exact],
            f"{load.peak / MIB:,.0f}" if load.peak else "",
        )
    console.print(table)


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """Show the rows of a single measurement as a table; returns it as it is."""
    (name, rows), *_ = result.items()
    table = Table(title=name.replace("_", " "))
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*map(cell, row.values()))
    console.print(table)
    return result


def cell(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, bool):
        return YES_NO[value]
    return f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
