"""`elt restore` beside the other commands of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from elt import backup
from elt.cli import cli
from foundation.errors import EltError
from foundation.settings import settings
from stack import stack


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ELT_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_nothing_starts_while_a_restore_replaces_what_it_runs_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def restoring(config: Any, name: str | None, **rest: Any) -> Path:
        """As long as a build holds the warehouse, a restore waits."""
        for action in (lambda: stack.up(["sink"]), stack.down):
            with pytest.raises(EltError, match="`elt restore` is at work"):
                action()
            refused.append(action)
        return home

    monkeypatch.setattr(backup, "restore", restoring)
    done = CliRunner().invoke(cli, ["restore", "--yes"])
    assert (done.exit_code, len(refused)) == (0, 2), done.output


def test_a_restore_waits_for_no_start(home: Path) -> None:
    with stack.alone(home):
        done = CliRunner().invoke(cli, ["restore", "--yes"])
    assert isinstance(done.exception, EltError) and "is at work on this stack" in str(done.exception)
