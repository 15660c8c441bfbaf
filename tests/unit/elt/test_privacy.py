"""What `elt privacy erase` does not look at, it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from elt.privacy.erase import out_of_reach
from foundation.settings import load_settings


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        ("adventureworks", ()),
        ("adventureworks,web", ("web site's events",)),
        ("adventureworks,totesys", ("the lake",)),
        ("adventureworks,posts,stream", ("the lake", "streaming lane")),
    ],
)
def test_an_erasure_names_each_place_that_it_does_not_reach(
    sources: str, named: tuple[str, ...], tmp_path: Path
) -> None:
    found = out_of_reach(load_settings({"ELT_HOME": str(tmp_path), "ELT_SOURCES": sources}))
    assert len(found) == len(named)
    assert all(name in line for name, line in zip(named, found, strict=True))


def test_an_erasure_names_what_is_there_of_sources_that_are_in_use_no_more(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "warehouse-20260101.duckdb").touch()
    (aside, lake) = out_of_reach(load_settings({"ELT_HOME": str(tmp_path)}))
    assert "warehouse-20260101.duckdb" in aside and "the lake" in lake
