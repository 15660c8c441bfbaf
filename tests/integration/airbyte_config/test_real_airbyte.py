"""Our server, answering as a real Airbyte may: other masks, more fields, small pages, connectors that no SDK knows.

The answers are rewritten between the SDK and the server; the SDK, the server and all that is ours are the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from airbyte_config import client
from airbyte_config.apply import Action
from airbyte_config.export import export
from foundation.errors import EltError
from tests.integration.airbyte_config.conftest import Site

ACME = {  # as a connector's `spec` gives it
    "type": "object",
    "required": ["host", "database"],
    "properties": {
        "host": {"type": "string"},
        "port": {"type": "integer"},
        "database": {"type": "string"},
        "schemas": {"type": "array"},
        "username": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True},
        "ssl_mode": {
            "type": "object",
            "oneOf": [
                {"required": ["mode"], "properties": {"mode": {"const": "disable"}}},
                {
                    "required": ["mode", "ca_certificate"],
                    "properties": {"mode": {"const": "verify-ca"}, "ca_certificate": {"type": "string"}},
                },
            ],
        },
        "replication_method": {"type": "object"},
    },
}


class Rewriting(httpx.HTTPTransport):
    """Stands between the SDK and the server: connector `acme-shop` is `postgres` on the other side."""

    acme, specification = False, True

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read().replace(b'"acme-shop"', b'"postgres"')
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
        url = request.url
        if request.method == "GET" and "limit" in url.params:
            url = url.copy_set_param("limit", min(int(url.params["limit"]), 2))
        sent = httpx.Request(request.method, url, headers=headers, content=body or None)
        answer = super().handle_request(sent)
        answer.read()
        if not answer.is_success or not answer.content or url.path.endswith("/token"):
            return answer
        text = answer.text.replace('"******"', '"**********"')
        if self.acme:
            text = text.replace('"sourceType":"postgres"', '"sourceType":"acme-shop"')
        content = json.loads(text)
        self._add(content, url.path)
        return httpx.Response(answer.status_code, json=content)

    def _add(self, content: Any, path: str) -> None:
        for item in content.get("data", [content]) if isinstance(content, dict) else []:
            item["aFieldOfTomorrow"] = {"nested": [1]}
            if isinstance(item.get("configuration"), dict):
                item["configuration"]["an_option_of_tomorrow"] = True
            for stream in (item.get("configurations") or {}).get("streams") or []:
                stream |= {"mappers": [], "includeFiles": False, "destinationObjectName": None}
                stream["aFieldOfTomorrow"] = 1
        if path.endswith("/definitions/sources") and self.acme:
            added = {"connectionSpecification": ACME} if self.specification else {}
            content["data"].append(
                {"id": "acme", "name": "Acme", "dockerRepository": "acme/source-acme-shop",
                 "dockerImageTag": "1", **added}
            )  # fmt: skip


@pytest.fixture
def real(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(
        client, "_http_client", lambda **options: httpx.Client(**options, transport=Rewriting())
    )
    monkeypatch.setattr(Rewriting, "acme", False)
    return site


def test_more_fields_other_masks_and_small_pages_are_no_difference(real: Site, tmp_path: Path) -> None:
    for number in range(3):  # so that ours are not on the first page
        body = {"name": f"s{number}", "workspaceId": real.workspace_id}
        configuration = {"sourceType": "postgres", "host": "h", "database": "d", "username": "u"}
        real.server.http.post("/sources", json=body | {"configuration": configuration}).raise_for_status()
    assert {action for action, _ in real.apply().values()} == {Action.CREATED}
    assert {action for action, _ in real.apply().values()} == {Action.UNCHANGED}
    exported = export(tmp_path / "out", only="adventureworks", settings=real.settings)
    source = exported.files[0].read_text()
    assert "password: {secret: SOURCE_ADVENTUREWORKS_PASSWORD}" in source
    assert "*****" not in source
    assert "ofTomorrow" not in exported.files[2].read_text()


@pytest.fixture
def acme_files(own_files: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The definitions with a source whose type the SDK does not know, and a change to it."""
    monkeypatch.setattr(Rewriting, "acme", True)

    def edit(old: str = "", new: str = "") -> Path:
        folder = own_files("sources/adventureworks.yaml", "sourceType: postgres", "sourceType: acme-shop")
        path = folder / "sources/adventureworks.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text)
        return folder

    return edit


def test_a_connector_that_the_sdk_does_not_know_is_applied_and_exported(
    real: Site, acme_files: Any, tmp_path: Path
) -> None:
    folder = acme_files()
    assert {action for action, _ in real.apply(folder).values()} == {Action.CREATED}
    assert {action for action, _ in real.apply(folder).values()} == {Action.UNCHANGED}
    (held,) = real.held("sources")
    assert held["configuration"]["ssl_mode"] == {"mode": "disable"}
    moved = real.with_(SOURCE_PORT="54399")
    assert moved.apply(folder)["source adventureworks"] == (Action.UPDATED, ["port"])
    text = export(tmp_path / "out", settings=real.settings).files[0].read_text()
    assert "sourceType: acme-shop" in text
    assert "definitionId: " in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  host:", "  hots:", "line 3: host is required"),
        ("  database:", "  databse: x\n  database:", "line 7: unknown field databse — did you mean database?"),
        ("schemas: [humanresources, person, production, purchasing, sales]", "schemas: sales",
         "line 8: schemas has to be of type array"),
        ("mode: {setting: SOURCE_SSL_MODE}", "mode: verify-ca",
         "line 11: ssl_mode.ca_certificate is required"),
        ("mode: {setting: SOURCE_SSL_MODE}", "mode: disable\n    ca_certificate: x",
         "line 13: unknown field ca_certificate"),
        ("acme-shop", "acme-ship", "line 4: neither Airbyte nor its SDK knows a source “acme-ship” — did you mean acme-shop?"),
    ],
)  # fmt: skip
def test_its_fields_are_checked_against_the_specification_that_the_server_gives(
    real: Site, acme_files: Any, old: str, new: str, message: str
) -> None:
    with pytest.raises(EltError) as caught:
        real.apply(acme_files(old, new))
    assert f"sources/adventureworks.yaml, {message}" in str(caught.value)
    assert real.settings.source_reader_password.get_secret_value() not in str(caught.value)
    assert real.held("sources") == []


def test_without_a_specification_the_server_itself_refuses_with_the_line(
    real: Site, acme_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewriting, "specification", False)
    with pytest.raises(
        EltError, match=r"adventureworks.yaml, line 7: .*configuration.databse: is not supported"
    ):
        real.apply(acme_files("  database:", "  databse: x\n  database:"))


def test_streams_of_a_source_without_cursors_of_its_own_need_one(real: Site, acme_files: Any) -> None:
    folder = acme_files()
    path = folder / "sources/adventureworks.yaml"
    path.write_text(path.read_text().partition("  replication_method:")[0])
    message = (
        "line 17: stream humanresources.employee: incremental_deduped_history needs a cursorField — add one"
    )
    with pytest.raises(EltError, match=message):
        real.apply(folder)
