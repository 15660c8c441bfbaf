"""The project as dbt has parsed it once, for the builds that follow: the same as a new parse, and only while nothing has changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from foundation.settings import Settings, load_settings
from transformation import project, run


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty ELT_HOME, with a copy of the project that a test may change."""
    ignore = shutil.ignore_patterns("target", "logs", "transformation", "stream", "spark")
    shutil.copytree(project.PROJECT, tmp_path / "project", ignore=ignore)
    for module in (project, run):
        monkeypatch.setattr(module, "PROJECT", tmp_path / "project")
    return load_settings({"ELT_HOME": str(tmp_path / "home")})


def told(manifest: Any) -> dict[str, Any]:
    """A manifest as JSON, without what is of the moment."""
    found = manifest.writable_manifest().to_dict(omit_none=False)
    del found["metadata"]
    return json.loads(json.dumps(found, default=str))


def test_what_was_parsed_is_kept_until_something_changes(config: Settings) -> None:
    assert run.kept_manifest(config) is None
    parsed = run.parsed(config)
    kept = run.kept_manifest(config)
    assert kept is not None and told(kept) == told(parsed)
    assert kept.flat_graph == parsed.flat_graph
    assert run.kept_manifest(config.model_copy(update={"elt_sources": "adventureworks,web"})) is None

    path = project.target_path(config) / run.KEPT
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert run.kept_manifest(config) is None
    path.write_bytes(whole)
    assert run.kept_manifest(config) is not None

    model = project.PROJECT / "models" / "marts" / "dim_channel.sql"
    model.write_text(model.read_text() + "-- another\n")
    assert run.kept_manifest(config) is None
    assert (
        "-- another" in next(n for n in run.parsed(config).nodes.values() if n.name == "dim_channel").raw_code
    )


@pytest.mark.parametrize("target", ["dev", "snowflake"])
def test_a_target_whose_names_depend_on_more_is_parsed_each_time(config: Settings, target: str) -> None:
    assert run.kept_manifest(config, target) is None
