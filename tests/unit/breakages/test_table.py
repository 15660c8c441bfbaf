"""The table of breakages follows the code: every edit still applies, every test is there."""

from __future__ import annotations

from tests.breakages.run import ROOT, stale
from tests.breakages.table import BREAKAGES


def test_every_breakage_applies() -> None:
    assert stale(ROOT, BREAKAGES) == []
