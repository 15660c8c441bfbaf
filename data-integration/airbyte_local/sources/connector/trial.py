"""`elt connectors test`: a low-code connector, tried as the server runs it, then by the CDK's own standard tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

from airbyte_local.masking import SECRET_FIELDS, redacted, secret_values
from airbyte_local.schema import label
from airbyte_local.sources.connector import environment, recorded
from airbyte_local.sources.connector.messages import Messages, Rows, State
from airbyte_local.sources.connector.process import Process
from airbyte_local.sources.connector.registry import Connector
from airbyte_local.sources.connector.scaffold import RECORDED, RUNNER
from airbyte_local.sources.connector.source import ask
from airbyte_local.sources.connector.specification import wrong_fields
from foundation.errors import EltError

Key = tuple[str, str]
Tell = Callable[[str], None]


@dataclass
class Read:
    """What a read brought: records by stream, and the state after them."""

    records: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    states: dict[Key, Any] = field(default_factory=dict)

    def given(self) -> list[dict[str, Any]]:
        """The state as the next read is given it."""
        return [
            {
                "type": "STREAM",
                "stream": {
                    "stream_descriptor": {"name": name} | ({"namespace": namespace} if namespace else {}),
                    "stream_state": blob,
                },
            }
            for (namespace, name), blob in self.states.items()
        ]


def try_out(connector: Connector, config: dict[str, Any] | None, tell: Tell) -> None:
    """Check, discover, read, and read again from the state; then the standard tests. `config`: of a live API, else the recorded
    answers are played. Raises EltError for the first thing that is wrong.
    """
    if connector.manifest is None:
        raise EltError(
            f"{connector.type} has no manifest", "test a connector of code with the tests in its own folder"
        )
    with _configured(connector, config) as (configuration, player):
        _as_the_server_does(connector, configuration, tell)
        if player and player.unanswered:
            raise EltError(
                f"{connector.label}: nothing was recorded for {player.unanswered[0]}",
                f"add the answer to {_recording_of(connector)}",
            )
    with _configured(connector, config) as (configuration, _):
        _standard_tests(connector, configuration, tell)


@contextmanager
def _configured(
    connector: Connector, config: dict[str, Any] | None
) -> Iterator[tuple[dict[str, Any], recorded.Player | None]]:
    if config is not None:
        yield config, None
        return
    with recorded.playing() as (player, address):
        recording = recorded.read(_recording_of(connector), address)
        player.answers = recording.answers
        yield recording.config, player


def _recording_of(connector: Connector) -> Path:
    manifest = _manifest(connector)
    return manifest.parents[1] / RECORDED / manifest.name


def _manifest(connector: Connector) -> Path:
    if connector.manifest is None:
        raise EltError(f"{connector.type} has no manifest", "name a low-code connector")
    return connector.manifest


def _as_the_server_does(connector: Connector, config: dict[str, Any], tell: Tell) -> None:
    wrong = [
        f"{'.'.join(map(str, path))} {what}" for path, what in wrong_fields(connector.specification, config)
    ]
    if wrong:
        raise EltError(f"{connector.label}: its configuration: {'; '.join(wrong)}", "correct it")
    environment.ensure(connector, tell)
    status = ask(connector, "check", "CONNECTION_STATUS", {"config": config}, own_group=True)
    if status.get("status") != "SUCCEEDED":
        said = _clean(connector, config, str(status.get("message") or "without a reason"))
        raise EltError(
            f"{connector.label}: its check failed: {said}", "correct the manifest or its configuration"
        )
    tell("check: succeeded")
    catalog = ask(connector, "discover", "CATALOG", {"config": config}, own_group=True)["streams"]
    for stream in catalog:
        if not stream.get("source_defined_primary_key"):
            raise EltError(
                f"stream {stream['name']} has no primary_key",
                "name the fields that tell its records apart: a record may arrive twice",
            )
    tell(f"discover: {', '.join(stream['name'] for stream in catalog)}")
    first = _read(connector, config, catalog, None)
    for stream in catalog:
        _check_records(stream, first, tell)
    if first.states:
        second = _read(connector, config, catalog, first.given())
        for stream in catalog:
            _check_second(stream, first, second, tell)


def _clean(connector: Connector, config: dict[str, Any], text: str) -> str:
    """What a connector or its tests said, without the secrets of the configuration."""
    return redacted(text, secret_values(config, SECRET_FIELDS | connector.secret_fields))


def _key(stream: dict[str, Any]) -> Key:
    return stream.get("namespace") or "", stream["name"]


def _incremental(stream: dict[str, Any]) -> bool:
    return "incremental" in (stream.get("supported_sync_modes") or ())


def _read(connector: Connector, config: dict[str, Any], catalog: list[dict[str, Any]], state: Any) -> Read:
    configured = [
        {
            "stream": stream,
            "sync_mode": "incremental" if _incremental(stream) else "full_refresh",
            "destination_sync_mode": "append_dedup" if _incremental(stream) else "overwrite",
            "cursor_field": stream.get("default_cursor_field") or [],
            "primary_key": stream.get("source_defined_primary_key") or [],
        }
        for stream in catalog
    ]
    files = {"config": config, "catalog": {"streams": configured}}
    if state:
        files["state"] = state
    found = Read({_key(stream): [] for stream in catalog})
    with Process(connector, "read", files, own_group=True) as process:
        for item in Messages(process, list(found.records)):
            if isinstance(item, Rows):
                found.records[item.key] += [
                    json.loads(line)["record"]["data"] for line in item.lines.splitlines()
                ]
            elif isinstance(item, State):
                found.states |= item.blobs
    return found


def _check_records(stream: dict[str, Any], read: Read, tell: Tell) -> None:
    """Each record fits the stream's schema; an incremental stream ends with a state."""
    name, records = label(*_key(stream)), read.records[_key(stream)]
    if not records:
        raise EltError(f"stream {name} brought no record", "record an answer that has some")
    schema = Draft7Validator(stream["json_schema"])
    known = set(stream["json_schema"].get("properties") or {})
    cursor = (stream.get("default_cursor_field") or []) if _incremental(stream) else []
    never_null = {path[0]: "key" for path in stream["source_defined_primary_key"]}
    never_null |= dict.fromkeys(cursor[:1], "cursor")
    for number, one in enumerate(records, 1):
        if error := next(schema.iter_errors(one), None):
            raise EltError(
                f"stream {name}, record {number}: {error.json_path}: does not fit its schema ({error.validator})",
                "correct schema_loader or the answer",
            )
        if more := sorted(set(one) - known):
            raise EltError(
                f"stream {name}, record {number}: {more[0]} is not in its schema",
                "describe the field, or remove it by a transformation",
            )
        for wanted, role in never_null.items():
            if one.get(wanted) is None:
                raise EltError(
                    f"stream {name}, record {number}: its {role} {wanted} is missing or null",
                    f"choose another {role}",
                )
    if _incremental(stream) and _key(stream) not in read.states:
        raise EltError(f"stream {name} is incremental and saved no state", "see incremental_sync")
    tell(f"read {name}: {len(records)} records")


def _check_second(stream: dict[str, Any], first: Read, second: Read, tell: Tell) -> None:
    """From the state on an incremental stream brings no more than before, and its state does not vanish."""
    key = _key(stream)
    if not _incremental(stream):
        return
    if len(second.records[key]) > len(first.records[key]):
        raise EltError(
            f"stream {label(*key)}: the second read brought {len(second.records[key])} records, more than the first",
            "see incremental_sync: does the API take the start that it is given?",
        )
    if key not in second.states:
        raise EltError(f"stream {label(*key)}: the second read saved no state", "see incremental_sync")
    tell(f"read {label(*key)} again: {len(second.records[key])} records since its state")


ACCEPTANCE = {
    "connector_image": "airbyte/source:dev",
    "acceptance_tests": {
        section: {"tests": [{"config_path": "secrets/config.json"}]}
        for section in ("spec", "discovery", "basic_read", "full_refresh")
    }
    | {"connection": {"tests": [{"config_path": "secrets/config.json", "status": "succeed"}]}},
}


def _standard_tests(connector: Connector, config: dict[str, Any], tell: Tell) -> None:
    """The CDK's suite of declarative sources, in a folder of the shape that it expects and an environment with its packages."""
    python = str(environment.for_tests(connector, tell) / "bin" / "python")
    with tempfile.TemporaryDirectory(prefix="elt-connector-") as place:
        root = Path(place) / f"source-{connector.type}"
        (root / "secrets").mkdir(parents=True)
        shutil.copy(_manifest(connector), root / "manifest.yaml")
        shutil.copytree(
            RUNNER / "unit_tests", root / "unit_tests", ignore=shutil.ignore_patterns("__pycache__")
        )
        metadata = {
            "metadataSpecVersion": "1.0",
            "data": {
                "name": connector.name,
                "definitionId": connector.definition_id,
                "connectorType": "source",
                "connectorSubtype": "api",
                "dockerRepository": f"airbyte/source-{connector.type}",
                "dockerImageTag": connector.version,
                "documentationUrl": connector.documentation,
                "githubIssueLabel": f"source-{connector.type}",
                "license": "MIT",
                "releaseStage": "alpha",
                "supportLevel": "community",
                "tags": ["language:manifest-only", "cdk:low-code"],
            },
        }
        (root / "metadata.yaml").write_text(yaml.safe_dump(metadata))
        (root / "acceptance-test-config.yml").write_text(yaml.safe_dump(ACCEPTANCE))
        private = root / "secrets" / "config.json"
        private.touch(mode=0o600)
        private.write_text(json.dumps(config))
        words = [
            python,
            "-m",
            "pytest",
            "-q",
            "-m",
            "not image_tests",
            "-p",
            "no:cacheprovider",
            "unit_tests",
        ]
        done = subprocess.run(
            words, cwd=root, env=environment.bare_environ(), capture_output=True, text=True, check=False
        )
    last = done.stdout.strip().splitlines()[-1:] or ["it wrote nothing"]
    if done.returncode:
        for line in done.stdout.splitlines():
            tell(_clean(connector, config, line))
        raise EltError(f"{connector.label}: the CDK's standard tests: {last[0].strip('= ')}", "see above")
    tell(f"the CDK's standard tests: {last[0].strip('= ')}")
