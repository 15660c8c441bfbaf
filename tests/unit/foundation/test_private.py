"""ELT_HOME is its owner's alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from foundation import private
from foundation.private import home_mode, tighten


def modes(folder):
    return {
        path.name: stat.S_IMODE(path.lstat().st_mode) for path in folder.iterdir() if not path.is_symlink()
    }


@pytest.mark.threat("another user of the machine")
def test_what_an_older_version_left_open_is_closed_once(tmp_path):
    home, outside = tmp_path / "home", tmp_path / "outside"
    for folder in (home, home / "logs"):
        folder.mkdir()
        folder.chmod(0o755)
    for file in (outside, home / "warehouse.duckdb"):
        file.touch()
        file.chmod(0o644)
    (home / "logs" / "airbyte.log").touch(mode=0o644)  # behind a closed folder
    (home / "link").symlink_to(outside)
    assert {path.name for path in tighten(home)} == {"home", "warehouse.duckdb", "logs"}
    assert modes(home) == {"warehouse.duckdb": 0o600, "logs": 0o700}
    assert stat.S_IMODE(home.stat().st_mode) == home_mode()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert tighten(home) == []


def test_only_root_lets_others_pass_through_its_home(monkeypatch):
    for user, mode in ((0, 0o711), (1000, 0o700)):
        monkeypatch.setattr(private.os, "geteuid", lambda user=user: user)
        assert home_mode() == mode


@pytest.mark.parametrize(
    "program",
    [
        "elt.cli",
        "airbyte_local.__main__",
        "web_site.__main__",
        "stack.sink",
        "stack.airflow",
        "stack.superset",
        "stack.postgres",
        "stack.monitoring",
        "exporter.__main__",
    ],
)
@pytest.mark.threat("another user of the machine")
def test_every_program_of_ours_makes_private_files(program):
    """Each calls `private` before it does anything else."""
    import ast
    import importlib.util
    from pathlib import Path

    tree = ast.parse(Path(importlib.util.find_spec(program).origin).read_text())
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    mains = mains or [node for node in tree.body if isinstance(node, ast.If)]
    calls = [
        node
        for node in ast.walk(mains[-1])
        if isinstance(node, ast.Call) and ast.unparse(node) == "private()"
    ]
    assert len(calls) == 1


@pytest.mark.threat("another user of the machine")
def test_files_are_private_from_their_first_byte(tmp_path):
    script = (
        "from foundation.private import private; private(); open('made', 'w'); import os; os.makedirs('a/b')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=os.environ, check=True)
    assert modes(tmp_path) == {"made": 0o600, "a": 0o700}
