"""Manifests as connectors, the files of a new one, and the playing of recorded answers: without a connector's process."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from airbyte_local.sources.connector import recorded, scaffold
from airbyte_local.sources.connector.registry import connectors
from airbyte_local.sources.connector.specification import wrong_fields
from foundation.errors import EltError
from foundation.settings import settings

MINIMAL = "spec: {connection_specification: {properties: {key: {airbyte_secret: true}}}}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A further folder of connectors."""
    (tmp_path / "manifests").mkdir()
    monkeypatch.setenv("AIRBYTE_CONNECTORS", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_a_manifest_in_a_further_folder_is_a_connector_of_its_name(folder: Path) -> None:
    (folder / "manifests" / "crm_leads.yaml").write_text(MINIMAL)
    found = connectors()["crm_leads"]
    assert found.secret_fields == {"key"}
    assert (found.name, found.command[-1]) == ("Crm leads", str(folder / "manifests" / "crm_leads.yaml"))
    assert found.environment == connectors()["rates"].environment == "manifest"
    assert found.definition_id != connectors()["rates"].definition_id
    assert "manifest" not in connectors()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my leads.yaml", MINIMAL, "its name is the type of a source"),
        ("rates.yaml", MINIMAL, "the type rates is also that of"),
    ],
)
def test_a_manifest_whose_name_is_no_type_or_taken_is_refused(
    folder: Path, name: str, text: str, said: str
) -> None:
    (folder / "manifests" / name).write_text(text)
    with pytest.raises(EltError, match=said):
        connectors()


@pytest.mark.parametrize("text", ["spec: {}", "- 1", "spec: {connection_specification: 3}", "", "a: [1"])
def test_a_manifest_without_a_specification_is_named(folder: Path, text: str) -> None:
    (folder / "manifests" / "leads.yaml").write_text(text)
    with pytest.raises(EltError, match=r"leads\.yaml"):
        _ = connectors()["leads"].specification


@pytest.mark.parametrize("name", ["rates", "weather"])
def test_the_recorded_configuration_of_a_shipped_manifest_fits_its_specification(name: str) -> None:
    path = scaffold.RUNNER / "recorded" / f"{name}.yaml"
    recording = recorded.read(path, "http://127.0.0.1:1")
    assert recording.config["url"] == "http://127.0.0.1:1"
    assert list(wrong_fields(connectors()[name].specification, recording.config)) == []


def test_a_new_source_is_four_files_with_its_name(tmp_path: Path) -> None:
    files = scaffold.files("crm_leads", tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in files} == {
        f"{place}/crm_leads.yaml"
        for place in ("manifests", "recorded", "connections/sources", "connections/connections")
    }
    source = yaml.safe_load(files[tmp_path / "connections" / "sources" / "crm_leads.yaml"])
    assert source["optional"] is True
    assert source["configuration"]["api_key"] == {"secret": "CRM_LEADS_API_KEY"}  # pragma: allowlist secret
    assert not any("__" in text for text in files.values())


@pytest.mark.parametrize("name", ["CRM", "crm-leads", "1st", "", "../x", "x" * 64])
def test_a_name_that_can_be_no_schema_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(EltError, match="can't be the name of a source"):
        scaffold.files(name, tmp_path)


def test_a_source_that_is_there_is_not_written_over() -> None:
    with pytest.raises(EltError, match=r"rates\.yaml is there already"):
        scaffold.files("rates")


def test_answers_are_given_by_path_and_query_and_so_often_as_they_say() -> None:
    with recorded.playing() as (player, address), httpx.Client(base_url=address) as client:
        player.answers = [
            recorded.Answer(path="/a", times=1, status=429, headers={"Retry-After": "1"}),
            recorded.Answer(path="/a", query={"page": "2"}, body=[2]),
            recorded.Answer(path="/a", body=[1]),
        ]
        first = client.get("/a")
        assert (first.status_code, first.headers["retry-after"]) == (429, "1")
        assert client.get("/a", params={"page": "2", "size": "9"}).json() == [2]
        assert client.get("/a", params={"page": "1"}).json() == [1]
        assert client.get("/b?c=d").status_code == 404
        assert player.unanswered == ["/b?c=d"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: {}", "answers: Field required"),
        ("config: {}\nanswers: []", "answers: List should have at least 1 item"),
        ("config: {}\nanswers: [{path: /, status: 99}]", r"answers\.0\.status"),
        ("config: {}\nanswers: [{path: /, paht: /}]", r"answers\.0\.paht"),
        ("config: [", "recorded.yaml"),
    ],
)
def test_a_faulty_recording_is_refused_with_its_field(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "recorded.yaml"
    path.write_text(text)
    with pytest.raises(EltError, match=said):
        recorded.read(path, "http://127.0.0.1:1")
