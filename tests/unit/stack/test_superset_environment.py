"""Which Python Superset's environment gets, and whether uv may fetch it."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from foundation.errors import EltError
from foundation.settings import ROOT
from stack import superset


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """A `uv` that notes what it was asked for, and may fail; `uv()` is that, as words."""
    noted, program = tmp_path / "noted", tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@ DOWNLOADS=$UV_PYTHON_DOWNLOADS" >> "{noted}"\n[ -z "$FAILS" ] || {{ echo "$FAILS" >&2; exit 1; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.delenv("UV_PYTHON_DOWNLOADS", raising=False)
    monkeypatch.setattr(superset, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(superset.sys, "executable", str(tmp_path / "nowhere" / "python"))
    (tmp_path / "environment").mkdir()
    return lambda: noted.read_text().split()


def runs_on(monkeypatch, *version):
    monkeypatch.setattr(superset.sys, "version_info", (*version, 0, "final", 0))


def test_where_superset_runs_on_our_python_that_is_taken_and_nothing_is_fetched(uv, monkeypatch, capsys):
    runs_on(monkeypatch, 3, 12)
    assert superset.install()
    assert uv()[-2:] == [superset.sys.executable, "DOWNLOADS=never"]
    assert "fetches" not in capsys.readouterr().out


@pytest.mark.parametrize("minor", [13, 14])
def test_on_a_newer_python_uv_may_fetch_a_312_and_that_is_said(uv, monkeypatch, capsys, minor):
    runs_on(monkeypatch, 3, minor)
    assert superset.install()
    assert uv()[-2:] == [">=3.11,<3.13", "DOWNLOADS="]  # uv's own default
    said = capsys.readouterr().out
    assert f"this is 3.{minor}" in said and "fetches a 3.12 (UV_PYTHON_DOWNLOADS=never forbids that)" in said


def test_clickhouses_dialect_comes_where_it_is_wanted_and_then_stays(uv, monkeypatch):
    runs_on(monkeypatch, 3, 12)
    assert superset.install() and "--group" not in uv()
    assert superset.install(clickhouse=True) and uv().count("--group") == 1
    assert not superset.install() and superset.installed()


def test_where_fetching_is_forbidden_or_fails_the_remedy_is_named(uv, monkeypatch):
    runs_on(monkeypatch, 3, 13)
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv(
        "FAILS", "error: Request failed\n  cause: Failed to download cpython-3.12\n  cause: dns"
    )
    with pytest.raises(
        EltError,
        match=r"made: error: Request failed; cause: Failed to download cpython-3\.12 — .*install one, or let uv",
    ):
        superset.install()
    assert uv()[-1] == "DOWNLOADS=never"


def test_the_bootstrap_fetches_no_python_itself_and_leaves_the_choice_to_the_environment(uv):
    look = "import os; print(os.environ.get('UV_PYTHON_DOWNLOADS'))"
    python = Path(sys.prefix, "bin", "python")
    done = subprocess.run(
        [python, ROOT / "infrastructure" / "bootstrap.py", "python", "-c", look],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "None\n", done.stderr
    assert "--no-python-downloads" in uv() and uv()[-2].startswith(str(python.parent))


@pytest.fixture
def bootstrap(monkeypatch):
    """The bootstrap as a module, on a Python of another version; `bootstrap.ran` is what it started, `bootstrap.became` its end."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "infrastructure" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran, module.became = [], []
    done = subprocess.CompletedProcess([], 0)
    started = SimpleNamespace(run=lambda command, **_: module.ran.append(command) or done)
    monkeypatch.setattr(module, "subprocess", started)
    monkeypatch.setattr(module.os, "execve", lambda program, words, environ: module.became.append(words))

    def on(*version):
        running = SimpleNamespace(version_info=version, executable="/its/python3", stderr=sys.stderr)
        monkeypatch.setattr(module, "sys", running)
        monkeypatch.setattr(module.platform, "python_version", lambda: ".".join(map(str, version)))
        module.main(["elt", "doctor"])

    module.on = on
    return module


@pytest.mark.parametrize("version", [(3, 11, 2), (3, 13, 5), (3, 14, 1)])
def test_the_bootstrap_makes_the_environment_with_the_python_that_runs_it(bootstrap, version):
    bootstrap.on(*version)
    sync = bootstrap.ran[-1]
    assert sync[sync.index("--python") + 1] == "/its/python3" and "--no-python-downloads" in sync
    [words] = bootstrap.became
    assert words[0].endswith("/.venv/bin/elt") and words[1:] == ["doctor"]


def test_the_bootstrap_refuses_an_older_python_with_the_remedy(bootstrap, capsys):
    with pytest.raises(SystemExit) as ended:
        bootstrap.on(3, 10, 12)
    assert ended.value.code == 2 and bootstrap.ran == []
    assert "Python 3.10.12 is too old — install 3.11 or newer" in capsys.readouterr().err
