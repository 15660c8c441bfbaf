"""The figures of the demo's report."""

from __future__ import annotations

from pathlib import Path

from elt.report import changes


def test_a_version_that_is_gone_by_the_time_of_the_report_is_said_in_one_line(tmp_path: Path) -> None:
    assert list(changes(tmp_path / "v1", tmp_path / "v2")) == [
        "not known: other runs have published since, and v1 and v2 went"
    ]
