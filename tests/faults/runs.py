"""`python -m tests.faults.runs --histories 20 --seed 1`: faults in runs of a whole stack, under the real scheduler.

Each history is a shop day and a run, in which one thing happens at a random moment: a program of the stack (scheduler, triggerer,
API, metadata server, source, Airbyte …), the job or the build is killed, all of the stack is, `elt down` or a demo that is
killed comes in between. Then `elt up` and at most three runs: no command ends with a traceback, raw equals the source, and the served
marts equal a full refresh. At the end `elt down` leaves no process, lock or half version. A history is its seed. The last line is
a summary as JSON; exit code 1 when something was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psutil

from foundation.lease import holder
from foundation.quoting import literal
from foundation.settings import ROOT
from stack.supervision import supervised
from tests.fixtures.stack import PORTS, Stack, clean_environ, free_ports
from tests.integration.airbyte_local.histories import kill

FAULTS = ("program", "program", "program", "job", "build", "stack", "down", "demo")
ATTEMPTS = 3  # a run right after a crash may find a part that is still on its way up
MARTS = "schema_name like 'marts%' and table_name <> 'built_from'"


class Failed(AssertionError):
    """A command that had to succeed, with what it said."""


class Runs:
    """A stack that has published, from history to history."""

    def __init__(self, folder: Path) -> None:
        home = folder / "elt home"
        home.mkdir()
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        extra = {"ELT_HOME": str(home), "ELT_SCHEDULE": "manual", "AW_SCALE": "0.02", "SHOP": "off", **ports}
        self.stack = Stack(home, clean_environ() | extra)
        self.config = self.stack.settings
        self.told: Counter[str] = Counter()
        self.must("demo")
        self.must("shop", "day")
        started = time.monotonic()
        self.must("run")
        self.seconds = time.monotonic() - started

    def elt(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end. Raises Failed for a traceback or an empty error."""
        done = self.stack.elt(*words, timeout=1200)
        said = done.stdout + done.stderr
        if "Traceback" in said or (done.returncode and not said.strip()):
            raise Failed(f"elt {' '.join(words)} ended with {done.returncode}: {said[-3000:]}")
        return done

    def must(self, *words: str) -> None:
        done = self.elt(*words)
        if done.returncode:
            raise Failed(
                f"elt {' '.join(words)} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
            )

    def run(self, seed: int) -> None:
        """One history. Raises AssertionError for what does not hold."""
        chance = random.Random(seed)
        fault = chance.choice(FAULTS)
        self.must("shop", "day")
        run = subprocess.Popen(
            [sys.executable, "-m", "elt.cli", "run"],
            env=self.stack.environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with suppress(subprocess.TimeoutExpired):
            run.wait(chance.uniform(0, 1.1 * self.seconds))
        what = self.disturb(fault, chance)
        said, _ = run.communicate(timeout=1200)
        assert "Traceback" not in said, said[-3000:]
        self.told[f"{what}: the run {'succeeded' if run.returncode == 0 else 'failed'}"] += 1
        self.must("up")
        for attempt in range(ATTEMPTS):
            if self.elt("run").returncode == 0:
                break
            assert attempt < ATTEMPTS - 1, "no run succeeds any more"
            self.told["another attempt"] += 1
        self.must("airbyte", "verify")
        self.compare_with_a_full_refresh()

    def disturb(self, fault: str, chance: random.Random) -> str:
        """Do it; its name."""
        if fault == "program":
            programs = {
                name: found["pid"]
                for name, found in (supervised(self.config.home) or {}).items()
                if found["pid"]
            }
            name = chance.choice(sorted(programs))
            kill(programs[name])
            return name
        if fault == "job":
            for process in self.stack.processes():
                with suppress(psutil.Error):
                    if "airbyte_local.job" in " ".join(process.cmdline()):
                        kill(process.pid)
        elif fault == "build":
            note = self.config.warehouse_path.with_name(f"{self.config.warehouse_path.name}.owner.json")
            with suppress(OSError, ValueError, KeyError):
                kill(json.loads(note.read_text())["pid"])
        elif fault == "stack":
            for process in self.stack.processes():
                kill(process.pid)
        elif fault == "down":
            self.must("down")
            assert self.stack.processes() == []
        else:
            demo = subprocess.Popen(
                [sys.executable, "-m", "elt.cli", "demo"],
                env=self.stack.environ,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            with suppress(subprocess.TimeoutExpired):
                demo.wait(chance.uniform(0, 40))
            demo.kill()
            demo.wait()
        return fault

    def compare_with_a_full_refresh(self) -> None:
        """Every mart that analysts see is what a build of everything makes of the same raw layer."""
        with TemporaryDirectory(prefix="elt-rebuilt-") as folder:
            home = Path(folder)
            for name in (self.config.warehouse_path.name, "secrets.env"):
                shutil.copy(self.config.home / name, home)
            rebuilt = Stack(home, self.stack.environ | {"ELT_HOME": str(home)})
            done = rebuilt.elt("build", "--full-refresh")
            assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
            with duckdb.connect(home / self.config.warehouse_path.name, read_only=True) as duck:
                duck.execute(f"attach {literal(str(self.config.serving_path))} as shown (read_only)")
                names = duck.execute(
                    f"select schema_name || '.' || table_name from duckdb_tables() where database_name = 'shown' and {MARTS}"
                ).fetchall()
                assert names
                for (name,) in names:
                    query = "select count(*) from (from {} except all from {})"
                    for left, right in ((name, f"shown.{name}"), (f"shown.{name}", name)):
                        [(rows,)] = duck.execute(query.format(left, right)).fetchall()
                        assert rows == 0, f"{rows} rows of {left} are not in {right}"

    def close(self) -> None:
        """Raises AssertionError for what `elt down` leaves."""
        self.must("down")
        assert self.stack.processes() == []
        assert holder(self.config.warehouse_path) is None
        serving = self.config.serving_path.parent.parent
        assert [path.name for path in serving.glob(".*") if path.is_dir()] == []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.runs", description=__doc__)
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next ones count on")
    parser.add_argument(
        "--minutes", type=float, default=0, help="begin no history after so long (0: no limit)"
    )
    options = parser.parse_args()
    started = time.monotonic()
    lost: list[int] = []
    done = 0
    with TemporaryDirectory(prefix="elt-runs-") as folder:
        runs = Runs(Path(folder))
        try:
            for seed in range(options.seed, options.seed + options.histories):
                if options.minutes and time.monotonic() - started > options.minutes * 60:
                    break
                try:
                    runs.run(seed)
                except Exception:  # noqa: BLE001 - whatever it is, the seed names it
                    lost.append(seed)
                    print(f"seed {seed}: LOST", traceback.format_exc(), sep="\n", flush=True)
                done += 1
                print(f"{done} histories, {len(lost)} lost", file=sys.stderr, flush=True)
        finally:
            runs.close()
    summary = {
        "histories": done,
        "first seed": options.seed,
        "lost": lost,
        "seconds": round(time.monotonic() - started),
        "faults": dict(sorted(runs.told.items())),
    }
    print(json.dumps(summary))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
