"""Low-code connectors as `elt connectors` makes and tests them, by the CDK's own standard tests among others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from airbyte_local.sources.connector.scaffold import RUNNER
from tests.fixtures import warm
from tests.fixtures.apis import KEY, START, Outside


def elt(home: Path, *words: str, **environ: str) -> tuple[int, str]:
    """`elt connectors …`: its exit code and all that it said."""
    done = warm.run("elt", "connectors", *words, environ={"ELT_HOME": str(home), **environ})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["rates", "weather"])
def test_a_shipped_manifest_passes_against_its_recorded_answers(name: str, manifest_home: Path) -> None:
    code, said = elt(manifest_home, "test", name)
    assert code == 0, said
    assert "check: succeeded" in said
    assert "the CDK's standard tests: " in said and " passed" in said
    assert f"{name}: all is well" in said


def live(outside: Outside, folder: Path, key: str) -> str:
    """A file with the configuration of a service that answers."""
    config = {
        "url": f"{outside.services.url}/weather/v1",
        "api_key": key,
        "countries": ["GB"],
        "start_date": START,
    }
    (folder / "live.json").write_text(json.dumps(config))
    return str(folder / "live.json")


def test_a_manifest_passes_against_a_live_service(
    outside: Outside, manifest_home: Path, tmp_path: Path
) -> None:
    code, said = elt(manifest_home, "test", "weather", "--config", live(outside, tmp_path, KEY))
    assert code == 0, said
    assert "read observations again" in said
    assert KEY not in said


def test_a_refused_key_is_in_no_line(outside: Outside, manifest_home: Path, tmp_path: Path) -> None:
    code, said = elt(
        manifest_home, "test", "weather", "--config", live(outside, tmp_path, "a key that is wrong")
    )
    assert code == 2
    assert "its check failed" in said
    assert "a key that is wrong" not in said


def test_a_new_source_passes_its_test_as_it_was_written(manifest_home: Path, tmp_path: Path) -> None:
    code, said = elt(manifest_home, "new", "orders", "--to", str(tmp_path / "mine"))
    assert code == 0, said
    code, said = elt(manifest_home, "test", "orders", AIRBYTE_CONNECTORS=str(tmp_path / "mine"))
    assert code == 0, said
    assert "read items: 3 records" in said
    assert "read items again: 0 records since its state" in said


# what is wrong with a manifest, and what its test says
FAULTS = {
    "no key": (lambda stream: stream.pop("primary_key"), "stream items has no primary_key"),
    "a cursor that no record has": (
        lambda stream: stream["incremental_sync"].update(cursor_field="changed"),
        "record 1: its cursor changed is missing or null",
    ),
    "a field of another type": (
        lambda stream: stream["schema_loader"]["schema"]["properties"].update(name={"type": "integer"}),
        "record 1: $.name: does not fit its schema (type)",
    ),
    "a field that is not described": (
        lambda stream: stream["schema_loader"]["schema"]["properties"].pop("amount"),
        "record 1: amount is not in its schema",
    ),
    "another path": (
        lambda stream: stream["retriever"]["requester"].update(path="/orders"),
        "its check failed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_manifest_is_found_and_named(fault: str, manifest_home: Path, tmp_path: Path) -> None:
    change, expected = FAULTS[fault]
    elt(manifest_home, "new", "orders", "--to", str(tmp_path))
    path = tmp_path / "manifests" / "orders.yaml"
    manifest = yaml.safe_load(path.read_text())
    change(manifest["streams"][0])
    path.write_text(yaml.safe_dump(manifest))
    code, said = elt(manifest_home, "test", "orders", AIRBYTE_CONNECTORS=str(tmp_path))
    assert code == 2, said
    assert expected in said


def test_a_call_that_was_not_recorded_is_named(manifest_home: Path, tmp_path: Path) -> None:
    elt(manifest_home, "new", "orders", "--to", str(tmp_path))
    path = tmp_path / "recorded" / "orders.yaml"
    recording = yaml.safe_load(path.read_text())
    recording["answers"] = recording["answers"][1:3]  # without those of later slices
    path.write_text(yaml.safe_dump(recording))
    code, said = elt(manifest_home, "test", "orders", AIRBYTE_CONNECTORS=str(tmp_path))
    assert code == 2, said


def test_a_connector_of_code_is_tested_elsewhere(manifest_home: Path) -> None:
    code, said = elt(manifest_home, "test", "web-events")
    assert code == 2
    assert "web-events has no manifest" in said


def test_the_lock_has_the_version_of_the_cdk_that_is_asked_for() -> None:
    locked = (RUNNER / "uv.lock").read_text()
    assert 'name = "airbyte-cdk"\nversion = "7.39.0"' in locked
