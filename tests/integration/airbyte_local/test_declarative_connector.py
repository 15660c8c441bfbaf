"""A low-code manifest, run by airbyte-cdk's own program, against a server that behaves as real ones do."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from foundation.settings import ROOT
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port
from tests.integration.airbyte_local.scripted import connect, workspace

PAGES, PER_PAGE, TOKEN_SECONDS = 5, 50, 1.0
OF_THE_CDK = ROOT / "data-integration" / "connectors" / "source-web-events"  # whose lock has airbyte-cdk 7.39


@dataclass
class Items:
    """An API with pages, tokens that last a second, and one answer that there were too many questions."""

    asked: list[str] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    too_many: int = 0

    def answer(self, method: str, path: str, token: str) -> tuple[int, dict[str, str], Any]:
        self.asked.append(f"{method} {path}")
        url = urlsplit(path)
        if url.path == "/token":
            made = f"token-{len(self.tokens)}"
            self.tokens[made] = time.monotonic() + TOKEN_SECONDS
            return 200, {}, {"access_token": made, "expires_in": int(TOKEN_SECONDS)}
        if self.tokens.get(token, 0) < time.monotonic():
            return 401, {}, {"error": "the token has run out"}
        query = parse_qs(url.query)
        page, since = int(query.get("page", ["1"])[0]), query["since"][0]
        if page == 3 and not self.too_many:
            self.too_many += 1
            return 429, {"Retry-After": "1"}, {"error": "too many"}
        time.sleep(0.3)  # so that a token runs out between two pages
        found = [
            {"id": number, "name": f"item {number}", "updated_at": moment}
            for number in range(PAGES * PER_PAGE)
            if (moment := f"2024-01-01T00:{number // 60:02}:{number % 60:02}Z") >= since
        ]
        return 200, {}, {"items": found[(page - 1) * PER_PAGE : page * PER_PAGE]}


@pytest.fixture
def items() -> Iterator[tuple[Items, str]]:
    api = Items()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, headers, body = api.answer(self.command, self.path, token)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield api, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def manifest(url: str) -> dict[str, Any]:
    properties = {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "updated_at": {"type": "string", "format": "date-time"},
    }
    requester = {
        "type": "HttpRequester",
        "url_base": url,
        "path": "/items",
        "http_method": "GET",
        "authenticator": {
            "type": "OAuthAuthenticator",
            "token_refresh_endpoint": f"{url}/token",
            "client_id": "{{ config['client_id'] }}",
            "client_secret": "{{ config['client_secret'] }}",
            "grant_type": "client_credentials",
        },
        "error_handler": {
            "type": "DefaultErrorHandler",
            "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}],
        },
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "items",
        "primary_key": ["id"],
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester,
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["items"]},
            },
            "paginator": {
                "type": "DefaultPaginator",
                "page_token_option": {
                    "type": "RequestOption",
                    "inject_into": "request_parameter",
                    "field_name": "page",
                },
                "pagination_strategy": {"type": "PageIncrement", "page_size": PER_PAGE, "start_from_page": 1},
            },
        },
        "incremental_sync": {
            "type": "DatetimeBasedCursor",
            "cursor_field": "updated_at",
            "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
            "start_datetime": "2024-01-01T00:00:00Z",
            "start_time_option": {
                "type": "RequestOption",
                "inject_into": "request_parameter",
                "field_name": "since",
            },
        },
        "schema_loader": {
            "type": "InlineSchemaLoader",
            "schema": {"type": "object", "properties": properties},
        },
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["items"]},
        "streams": [stream],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AirbyteServer]:
    """A server with a connector that runs manifests: airbyte-cdk's program in the environment that it is locked for."""
    folder = tmp_path / "connectors" / "source-manifest"
    shutil.copytree(
        OF_THE_CDK, folder, ignore=shutil.ignore_patterns(".venv", "__pycache__", "build", "*.egg-info")
    )
    project = folder / "pyproject.toml"
    text = re.sub(r'(?m)^type = ".*"$', 'type = "manifest"', project.read_text())
    text = re.sub(
        r'(?m)^definition-id = ".*"$', 'definition-id = "1d1f7e2e-30a4-4b0e-8f1a-5b1f6c1d0a12"', text
    )
    project.write_text(re.sub(r"(?m)^command = .*$", 'command = ["source-declarative-manifest"]', text))
    (folder / "spec.json").write_text(
        json.dumps({"connectionSpecification": {"type": "object", "properties": {}}})
    )
    port = free_port()
    made = AirbyteServer(
        tmp_path, port, client_id=f"manifest {port}", extra={"AIRBYTE_CONNECTORS": str(folder.parent)}
    )
    made.start()
    yield made
    made.stop()


@pytest.mark.slow
def test_pages_a_429_and_tokens_that_run_out_lose_no_record(
    server: AirbyteServer, items: tuple[Items, str], tmp_path: Path
) -> None:
    api, url = items
    configuration = {
        "sourceType": "manifest",
        "client_id": "me",
        "client_secret": "hush",  # pragma: allowlist secret
        "__injected_declarative_manifest": manifest(url),
    }
    request = {"name": "items", "workspaceId": workspace(server), "configuration": configuration}
    source = server.http.post("/sources", json=request)
    assert source.is_success, source.text
    modes = {"items": "incremental_deduped_history"}
    connection = connect(server, source.json()["sourceId"], tmp_path / "w.duckdb", modes)
    job = connection.sync()
    assert job["status"] == "succeeded", server.log(job["jobId"])
    count = PAGES * PER_PAGE
    assert connection.raw("select count(*), count(distinct id), max(id) from items") == [
        (count, count, count - 1)
    ]
    assert (api.too_many, len(api.tokens) > 2) == (1, True)
    again = connection.sync()
    assert (again["status"], again["rowsSynced"]) == ("succeeded", 1)  # the row at the cursor
    assert connection.raw("select count(*) from items") == [(count,)]
    assert "hush" not in server.log(job["jobId"])
