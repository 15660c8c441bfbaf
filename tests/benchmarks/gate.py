"""What the gate costs: seconds by the clock, seconds of processors, how many tests, and the longest ones.

    python tests/benchmarks/gate.py [--json] [--only test] [--rev HEAD] [--rev 0be2777 …]

Each revision is cloned into a temporary folder and runs `make test` there (and the whole gate, `.ci/run`, unless `--only test`), with
a HOME of its own but the package index's cache of the caller. Several revisions run one after the other, so that their figures
can be compared. Processor seconds are those of all processes that a command starts, daemons included: this process adopts and
waits for them (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36
PASSED = re.compile(r"\b(\d+) passed")
SLOW = re.compile(r"^\s*(\d+\.\d+)s (call|setup|teardown)\s+(\S+)", re.M)


def processor_seconds() -> float:
    """Of all children that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(words: list[str], folder: Path, environ: dict[str, str]) -> dict[str, Any]:
    """Run a command to its end, and that of everything it left running; seconds, processor seconds and its output."""
    before, began = processor_seconds(), time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT)
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == process.pid:
                break
        seconds = time.monotonic() - began
        while True:  # what was orphaned on the way is ours: nothing is left running, so this ends
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        output.seek(0)
        text = output.read()
    code = os.waitstatus_to_exitcode(status)
    if code:
        failures = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]
        sys.stderr.write("\n".join([*failures, text[-6000:]]))
        raise SystemExit(f"{' '.join(words)} ended with exit code {code}")
    return {"seconds": seconds, "cpu_seconds": processor_seconds() - before, "output": text}


def gate(rev: str, only: str | None) -> dict[str, Any]:
    """The figures of one revision."""
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "checkout", "--quiet", rev], cwd=clone, check=True)
        cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
        environ = os.environ | {"HOME": folder, "UV_CACHE_DIR": cache}
        environ.setdefault("AW_DATA", str(ROOT.parent / "shared" / "adventureworks"))
        subprocess.run(["make", "setup"], cwd=clone, env=environ, check=True, capture_output=True)
        test = measured(["make", "test"], clone, environ)
        figures: dict[str, Any] = {
            "revision": rev,
            "make_test_seconds": round(test["seconds"], 1),
            "make_test_cpu_seconds": round(test["cpu_seconds"], 1),
            "tests": sum(map(int, PASSED.findall(test["output"]))),
        }
        slowest = sorted(
            ((float(s), f"{name} ({when})") for s, when, name in SLOW.findall(test["output"])), reverse=True
        )
        figures["slowest"] = [[seconds, name] for seconds, name in slowest[:10]]
        if only != "test":
            rest = measured(["make", "test-gate"], clone, environ)
            figures["gate_seconds"] = round(test["seconds"] + rest["seconds"], 1)
            figures["gate_cpu_seconds"] = round(test["cpu_seconds"] + rest["cpu_seconds"], 1)
            figures["gate_tests"] = figures["tests"] + sum(map(int, PASSED.findall(rest["output"])))
        return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON, one line a revision")
    parser.add_argument("--only", choices=["test"], help="leave out the stack and browser tiers")
    parser.add_argument("--rev", action="append", help="a revision (default: HEAD); may be repeated")
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for rev in arguments.rev or ["HEAD"]:
        figures = gate(rev, arguments.only)
        if arguments.json:
            print(json.dumps(figures), flush=True)
            continue
        for name, value in figures.items():
            if name != "slowest":
                print(f"{name:24} {value}")
        for seconds, name in figures["slowest"]:
            print(f"{seconds:8.1f} s  {name}")


if __name__ == "__main__":
    main()
