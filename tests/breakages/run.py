"""Break the code on purpose, one promise at a time, and see which test says so.

    python tests/breakages/run.py [NAME…] [--list] [--check] [--whole] [--json] [--keep]

Everything happens in a scratch copy of the working tree, which has an environment of its own. First the unbroken copy must
pass the tests; then each breakage of `table.py` is made, tested and taken back.

Exit code 0: every breakage was caught. 1: one was missed. 2: the question could not be answered: an edit no longer applies,
the unbroken copy fails, a test was skipped, or the tests ended by something else than a failed assertion.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from foundation.settings import Settings
from tests.breakages.table import BREAKAGES, Breakage

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "foundation",
    "adventureworks",
    "airbyte_local",
    "transformation",
    "orchestration",
    "elt",
    "stack",
)
ORIGINAL = ROOT.parent / "shared" / "adventureworks"  # where tests look for the original data, too
PASSED, FAILED = 0, 1  # exit codes of pytest; any other says nothing about the promise
# a breakage is to be caught by what it does, not because it can't be read
UNREADABLE = re.compile(
    r"\b(SyntaxError|IndentationError|NameError|ImportError|ModuleNotFoundError)\b|Compilation Error"
)
CAUGHT, MISSED, UNCLEAR = "caught", "missed", "unclear"


class UnclearError(Exception):
    """The question could not be answered; the text says why."""


@dataclass
class Outcome:
    """What the tests said about one state of the copy."""

    code: int
    failed: list[str]  # their ids, in the order in which they ran
    reason: str  # of the first
    passed: int
    skipped: int
    seconds: float
    of_tests: float  # of these seconds, without pytest's own start
    output: str


@dataclass
class Verdict:
    """What became of one breakage."""

    name: str
    promise: str
    verdict: str
    failed: list[str]
    reason: str
    seconds: float
    seconds_of_tests: float

    def line(self) -> str:
        more = f" and {len(self.failed) - 1} more" if self.failed[1:] else ""
        caught = f"  by {self.failed[0]}{more}" if self.failed else ""
        reason = f"\n{'':20}{self.reason}" if self.reason else ""
        return f"{self.verdict:<9} {self.name:<34}{self.seconds:6.1f} s ({self.seconds_of_tests:.1f} s in tests){caught}{reason}"


class Scratch:
    """A copy of the working tree (what git tracks, and what it would) with its own environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / ".venv" / "bin"
        self._copy_tree()
        self._copy_environment()
        self._prove()

    @property
    def environ(self) -> dict[str, str]:
        """This process's, without what points to another tree or stack."""
        foreign = ("ELT_", "DBT_", "AIRFLOW", "PYTHON", "COVERAGE", "COV_", "VIRTUAL_ENV", "PYTEST")
        settings = {name.upper() for name in Settings.model_fields}
        mine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(foreign) and name not in settings
        }
        data = os.environ.get("AW_DATA") or str(ORIGINAL)
        return mine | {
            "PATH": f"{self.bin}{os.pathsep}{mine.get('PATH', '')}",
            "AW_DATA": data,
            "COLUMNS": "400",  # pytest cuts its reasons to the terminal's width
        }

    def _copy_tree(self) -> None:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            if not (ROOT / name).exists():  # deleted, and not yet committed
                continue
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
        git = [
            "git",
            "-c",
            "user.name=breakages",
            "-c",
            "user.email=breakages@localhost",
            "-c",
            "commit.gpgsign=false",
        ]
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "unbroken"]):
            subprocess.run([*git, *words], cwd=self.root, check=True, capture_output=True)

    def _copy_environment(self) -> None:
        """The environment's files are linked, not copied; those that name the tree are rewritten."""
        source, target = ROOT / ".venv", self.root / ".venv"
        if not source.exists():
            raise UnclearError(f"there is no environment at {source} — run `make setup`")

        def link(old: str, new: str) -> None:
            try:
                os.link(old, new, follow_symlinks=False)
            except OSError:  # another file system
                shutil.copy2(old, new, follow_symlinks=False)

        shutil.copytree(source, target, symlinks=True, copy_function=link)
        old, new = str(ROOT).encode(), str(self.root).encode()
        small = [path for path in (target / "bin").iterdir() if not path.is_symlink()]
        for path in (*small, *target.glob("lib/python*/site-packages/*.pth")):
            content = path.read_bytes()
            if old in content and b"\0" not in content:
                mode = path.stat().st_mode
                path.unlink()  # the link, not what it leads to
                path.write_bytes(content.replace(old, new))
                path.chmod(mode)

    def _prove(self) -> None:
        """What is imported, and the dbt project that is built, is the copy's. Raises UnclearError."""
        code = (
            "import importlib, json, sys; from transformation.project import PROJECT;"
            f" print(json.dumps([importlib.import_module(name).__file__ for name in {PACKAGES}] + [str(PROJECT), sys.prefix]))"
        )
        asked = subprocess.run(
            [self.bin / "python", "-c", code], cwd=self.root, env=self.environ, capture_output=True, text=True
        )
        if asked.returncode:
            raise UnclearError(f"the copy's environment does not work: {asked.stderr.strip()[-500:]}")
        for place in json.loads(asked.stdout):
            if not Path(place).is_relative_to(self.root):
                raise UnclearError(f"the copy would use {place}, which is not its own")

    @contextmanager
    def broken(self, breakage: Breakage) -> Iterator[None]:
        """The breakage, for the length of a block."""
        path = self.root / breakage.file
        whole = path.read_text()
        self._write(path, whole.replace(breakage.old, breakage.new))
        try:
            yield
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)  # an edit may keep size and second

    def test(self, tests: Iterable[str], *, whole_list: bool) -> Outcome:
        """Run tests of the copy; unless `whole_list`, the first that fails ends it."""
        report = self.root.parent / "report.xml"
        report.unlink(missing_ok=True)
        first = [] if whole_list else ["--maxfail=1"]
        words = [
            self.bin / "python",
            "-m",
            "pytest",
            "-q",
            "-n0",  # one process: the first that fails ends it
            "-rfE",
            "--tb=short",
            f"--junit-xml={report}",
            *first,
            *tests,
        ]
        started = time.monotonic()
        done = self._run(words)
        seconds = time.monotonic() - started
        counts = dict.fromkeys(("tests", "failures", "errors", "skipped", "time"), 0.0)
        if report.exists():
            suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest has just written it
            cases = suite.findall("testcase")
            counts = {name: float(suite.get(name, 0)) for name in counts}
            counts["time"] = sum(float(case.get("time", 0)) for case in cases)
        failed, reason = failures(done.stdout)
        return Outcome(
            done.returncode,
            failed,
            reason,
            int(counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]),
            int(counts["skipped"]),
            seconds,
            counts["time"],
            done.stdout,
        )

    def make_test(self) -> Outcome:
        """`make test` of the copy."""
        started = time.monotonic()
        done = self._run(["make", "test"])
        failed, reason = failures(done.stdout)
        code = FAILED if done.returncode and failed else done.returncode
        seconds = time.monotonic() - started
        return Outcome(code, failed, reason, 0, 0, seconds, seconds, done.stdout)

    def _run(self, words: list[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def failures(output: str) -> tuple[list[str], str]:
    """The ids of the tests that failed, by pytest's short summary, and the reason of the first: what dbt says, where it ran."""
    found = re.findall(r"^(?:FAILED|ERROR) (tests/[^\s\[]+(?:\[.*?\])?)(?: - (.*))?$", output, re.M)
    by_dbt = dict.fromkeys(re.findall(r"(?:Failure|Error) in (\w+ \w+)", output))
    reason = f"dbt: {', '.join(by_dbt)}" if by_dbt else (found[0][1] if found else "")
    return list(dict.fromkeys(test for test, _ in found)), reason.strip()[:300]


def stale(root: Path, breakages: Iterable[Breakage]) -> list[str]:
    """Why edits no longer apply, a line for each."""
    problems = []
    for breakage in breakages:
        path = root / breakage.file
        if not path.exists():
            problems.append(f"breakage {breakage.name} no longer applies: {breakage.file} is not there")
        elif (count := path.read_text().count(breakage.old)) != 1:
            found = "is not" if count == 0 else f"is {count} times"
            problems.append(
                f"breakage {breakage.name} no longer applies: its old text {found} in {breakage.file}"
            )
        elif breakage.old == breakage.new:
            problems.append(f"breakage {breakage.name} changes nothing")
        problems += [
            f"breakage {breakage.name} no longer applies: {test} is not there"
            for test in breakage.tests
            if not (root / test.partition("::")[0]).exists()
        ]
    return problems


def judge(breakage: Breakage, outcome: Outcome) -> Verdict:
    """What the tests' outcome says about a breakage."""
    verdict, reason = UNCLEAR, outcome.reason
    if outcome.code == PASSED and outcome.skipped and not outcome.passed:
        reason = "its tests were skipped"
    elif outcome.code == PASSED:
        verdict = MISSED
    elif outcome.code != FAILED or not outcome.failed:
        reason = f"the tests ended with exit code {outcome.code}: {outcome.output.strip()[-300:]}"
    elif UNREADABLE.search(reason):
        reason = f"the edit can't be read, which says nothing about the promise: {reason}"
    else:
        verdict = CAUGHT
    seconds, of_tests = round(outcome.seconds, 1), round(outcome.of_tests, 2)
    return Verdict(breakage.name, breakage.promise, verdict, outcome.failed, reason, seconds, of_tests)


def chosen(names: list[str]) -> list[Breakage]:
    """The breakages of these names; all when there are none."""
    known = {breakage.name: breakage for breakage in BREAKAGES}
    if unknown := [name for name in names if name not in known]:
        raise UnclearError(f"no breakage {unknown[0]}: --list shows them")
    return [known[name] for name in names] if names else list(BREAKAGES)


def run(breakages: list[Breakage], whole: bool, keep: bool, say: Callable[[str], None]) -> list[Verdict]:
    """Make a copy, see it pass, break it again and again. Raises UnclearError."""
    place = Path(tempfile.mkdtemp(prefix="breakages-"))
    try:
        scratch = Scratch(place / "tree")
        tests = sorted({test for breakage in breakages for test in breakage.tests})
        outcome = scratch.make_test() if whole else scratch.test(tests, whole_list=True)
        if outcome.code != PASSED:
            print(outcome.output[-6000:], file=sys.stderr)
            what = ", ".join(outcome.failed[:5]) or f"exit code {outcome.code}"
            raise UnclearError(f"the unbroken copy fails: {what}")
        if outcome.skipped:
            raise UnclearError(f"{outcome.skipped} tests are skipped here, which would catch nothing")
        counted = "`make test`" if whole else f"{outcome.passed} tests"
        say(f"the unbroken copy passes: {counted}, {outcome.seconds:.1f} s")
        verdicts = []
        for breakage in breakages:
            with scratch.broken(breakage):
                outcome = scratch.make_test() if whole else scratch.test(breakage.tests, whole_list=False)
            verdicts.append(judge(breakage, outcome))
            (place / f"{breakage.name}.txt").write_text(outcome.output)
            say(verdicts[-1].line())
        return verdicts
    finally:
        if keep:
            print(f"kept: {place}", file=sys.stderr)
        else:
            shutil.rmtree(place, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone (see --list)")
    parser.add_argument("--list", action="store_true", help="name, promise and tests of each breakage")
    parser.add_argument("--check", action="store_true", help="only see whether each edit still applies")
    parser.add_argument(
        "--whole", action="store_true", help="`make test` on each, instead of the tests that are named"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the copy, and what the tests printed")
    options = parser.parse_args()
    try:
        breakages = chosen(options.names)
        if options.list:
            for each in breakages:
                print(f"{each.name}\n    breaks: {each.promise}\n    in:     {each.file}")
                print("".join(f"    test:   {test}\n" for test in each.tests), end="")
            return 0
        if problems := stale(ROOT, breakages):
            raise UnclearError("\n".join(problems))
        if options.check:
            print(f"all {len(breakages)} apply")
            return 0
        started = time.monotonic()
        verdicts = run(
            breakages,
            options.whole,
            options.keep,
            (lambda _: None) if options.json else lambda text: print(text, flush=True),
        )
    except UnclearError as error:
        print(error, file=sys.stderr)
        return 2
    seconds = round(time.monotonic() - started, 1)
    counts = {kind: sum(each.verdict == kind for each in verdicts) for kind in (CAUGHT, MISSED, UNCLEAR)}
    if options.json:
        print(
            json.dumps(
                counts | {"seconds": seconds, "breakages": [vars(each) for each in verdicts]}, indent=1
            )
        )
    else:
        print(", ".join(f"{count} {kind}" for kind, count in counts.items()) + f", {seconds} s")
    return 2 if counts[UNCLEAR] else 1 if counts[MISSED] else 0


if __name__ == "__main__":
    raise SystemExit(main())
