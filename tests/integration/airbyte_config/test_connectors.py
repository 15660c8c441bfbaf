"""A source whose connector speaks the Airbyte protocol and is unknown to the SDK: as files, by the real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_config.apply import Action
from airbyte_config.export import export
from foundation.errors import EltError
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase, free_port
from tests.integration.airbyte_config.conftest import Site, make_site
from tests.integration.airbyte_local.scripted import stream

FOLDERS = Path(__file__).parents[2] / "connectors"
SOURCE = """name: leads
configuration:
  sourceType: scripted
  script: {script}
  api_key: {{secret: LEADS_KEY}}
"""
CONNECTION = """name: leads
source: leads
destination: lake
streams:
  - name: people
    syncMode: incremental_deduped_history
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"streams": [stream("people")], "read": []}))
    folder = tmp_path / "files"
    for name, text in (
        ("sources/leads.yaml", SOURCE.format(script=script)),
        ("destinations/lake.yaml",
         f"name: lake\nconfiguration: {{destinationType: duckdb, destination_path: {tmp_path}/lake.duckdb}}\n"),
        ("connections/leads.yaml", CONNECTION),
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return folder


@pytest.fixture
def there(tmp_path: Path, empty_template: SourceDatabase) -> Iterator[Site]:
    port = free_port()
    extra = {"AIRBYTE_CONNECTORS": str(FOLDERS)}
    home = tmp_path / "server"
    home.mkdir()
    server = AirbyteServer(home, port, client_id=f"files {port}", extra=extra)
    server.start()
    yield make_site(server, empty_template, tmp_path / "elt home").with_(LEADS_KEY="the key of leads")
    server.stop()


def test_it_is_checked_applied_and_exported_like_any_other(there: Site, files: Path, tmp_path: Path) -> None:
    source, connection = files / "sources/leads.yaml", files / "connections/leads.yaml"
    right = source.read_text()
    for old, new, message in (
        ("  script:", "  scrip: x\n  script:", "line 4: scrip is not a field of this connector"),
        ("  api_key:", "  rows: 0\n  api_key:", "line 5: rows has to be 1 or more"),
        ("scripted", "scriptd", "line 3: neither Airbyte nor its SDK knows a source “scriptd” — did you mean scripted?"),
    ):  # fmt: skip
        source.write_text(right.replace(old, new, 1))
        with pytest.raises(EltError) as caught:
            there.apply(files)
        assert f"sources/leads.yaml, {message}" in str(caught.value)
        assert there.held("sources") == []
    source.write_text(right)

    # key and cursor are the source's own: the file names none
    assert {action for action, _ in there.apply(files).values()} == {Action.CREATED}
    assert {action for action, _ in there.apply(files).values()} == {Action.UNCHANGED}
    export(tmp_path / "out", settings=there.settings)
    exported = (tmp_path / "out/sources/leads.yaml").read_text()
    assert "api_key: {secret: SOURCE_LEADS_API_KEY}" in exported
    assert "the key of leads" not in exported
    again = there.with_(SOURCE_LEADS_API_KEY="the key of leads")
    assert {action for action, _ in again.apply(tmp_path / "out").values()} == {Action.UNCHANGED}

    connection.write_text(CONNECTION.replace("people", "peeple"))
    with pytest.raises(
        EltError, match=r"leads.yaml, line 5: the source has no stream peeple — did you mean people"
    ):
        there.apply(files)
