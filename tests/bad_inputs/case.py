"""One bad input, and the way it is given to the real command line: `elt.cli.main` in this process, in a home of its own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import foundation.settings as setting
from elt.cli import main
from foundation.settings import ROOT, generated_secrets

DATA = ("data-integration/connections", "data-transformation", "infrastructure/preset", "docs/images", "dist")
NOTES = (".lock", ".owner.json")  # who has or had the warehouse; they hold nothing else
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Place:
    """Where a case is tried: `home` is ELT_HOME, `inputs` the folder of the files that are given, `env_file` the `.env`."""

    home: Path
    inputs: Path
    environ: Mapping[str, str]

    @property
    def env_file(self) -> Path:
        return self.inputs / ".env"


def nothing(place: Place) -> None:
    """The words alone are bad."""


@dataclass(frozen=True)
class Case:
    """A bad input: `elt WORDS` with these variables, after `prepare`; the line that answers holds `says`.

    In words, variables and `says`, `{home}` and `{inputs}` are the folders of the place.
    """

    area: str
    name: str
    words: tuple[str, ...]
    says: str
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Place], None] = nothing


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


def place(folder: Path, environ: Mapping[str, str]) -> Place:
    """A home that has its secrets, and an empty folder for inputs."""
    home, inputs = folder / "elt home", folder / "inputs"
    inputs.mkdir(parents=True)
    generated_secrets(home)
    return Place(home, inputs, dict(environ) | {"ELT_HOME": str(home)})


def elt(words: tuple[str, ...], environ: Mapping[str, str], env_file: Path) -> Answer:
    """Run `elt WORDS` in this process, as a process of its own would; nothing of it stays here."""
    out, err = io.StringIO(), io.StringIO()
    mask, handlers = os.umask(0o077), {number: signal.getsignal(number) for number in SIGNALS}
    code = None
    try:
        with (
            patch.dict(os.environ, dict(environ), clear=True),
            patch.object(setting, "ENV_FILE", env_file),
            patch("sys.stdin", io.StringIO()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            setting.settings.cache_clear()
            try:
                main(list(words))
            except SystemExit as ending:
                code = ending.code
    finally:
        setting.settings.cache_clear()
        os.umask(mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Answer(int(code or 0), out.getvalue(), err.getvalue())


def filled(text: str, where: Place) -> str:
    """A text of a case with the folders of its place."""
    return text.replace("{home}", str(where.home)).replace("{inputs}", str(where.inputs))


def run(case: Case, where: Place) -> Answer:
    """Give the case's input to the command line."""
    words = tuple(filled(word, where) for word in case.words)
    environ = {**where.environ, **{name: filled(value, where) for name, value in case.environ.items()}}
    return elt(words, environ, where.env_file)


def state(*folders: Path) -> dict[str, str]:
    """Each file, folder and link below some folders, with a digest of what it holds."""
    return {
        str(path): _mark(path)
        for folder in folders
        for path in (folder, *_below(folder))
        if os.path.lexists(path) and not path.name.endswith(NOTES)
    }


def _below(folder: Path) -> Iterator[Path]:
    return folder.rglob("*") if folder.is_dir() else iter(())


def _mark(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = f"{path.stat().st_mode:o}"
    return mode if not path.is_file() else f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def checkout() -> dict[str, tuple[int, int]]:
    """Size and time of each file of the checkout that a verb could write."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for name in DATA
        for path in _below(ROOT / name)
        if not path.is_dir()
    }


def faults(
    cases: Iterable[Case],
    folder: Path,
    environ: Mapping[str, str],
    watched: Callable[[], object] = lambda: None,
) -> dict[str, str]:
    """Name of each case whose answer is not as it should be, and what is wrong; tried in homes below an empty folder.

    `watched` says in what state other things are that may not change.
    """
    found: dict[str, str] = {}
    known, where = checkout(), None
    for number, case in enumerate(cases):
        if where is None or case.prepare is not nothing:
            where = place(folder / str(number), environ)
        if wrong := _wrong(case, where, watched):
            found[case.name] = wrong
        if wrong or case.prepare is not nothing:
            where = None
    if changed := sorted(name for name, _ in known.items() ^ checkout().items()):
        found["the checkout"] = f"has changed: {', '.join(changed)}"
    return found


def _wrong(case: Case, where: Place, watched: Callable[[], object]) -> str:
    case.prepare(where)
    before = state(where.home, where.inputs), watched()
    try:
        answer = run(case, where)
    except Exception as error:  # noqa: BLE001 - a person would see the trace
        return f"it is not caught: {type(error).__name__}: {error}"
    lines = answer.err.splitlines()
    if answer.code != 2:
        return f"exit code {answer.code}: {answer.out}{answer.err}"
    if len(lines) != 1 or answer.out:
        return f"not one line: {answer.out}{answer.err}"
    if not lines[0].startswith("elt: ") or len(lines[0].rpartition(" — ")[2].split()) < 2:
        return f"no remedy: {lines[0]}"
    if filled(case.says, where) not in lines[0]:
        return f"it does not say {filled(case.says, where)!r}: {lines[0]}"
    if before != (state(where.home, where.inputs), watched()):
        return "something has changed"
    return ""
