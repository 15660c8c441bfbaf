"""File against what Airbyte holds, as a real Airbyte tells it: with more fields, other order, masked secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airbyte_config import config_diff
from airbyte_config.definitions import Actor, ConnectionFile, Definitions, load
from airbyte_config.fingerprints import Fingerprints
from foundation.settings import load_settings


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return load(settings=load_settings({"ELT_HOME": str(tmp_path)}))


def connection_differences(file: ConnectionFile, present: dict[str, Any]) -> list[str]:
    return [one.short for one in config_diff.connection_differences(file, present)]


def actor_differences(actor: Actor, present: dict[str, Any]) -> list[str]:
    return [one.short for one in config_diff.actor_differences(actor, present)]


def held(definitions: Definitions) -> dict[str, Any]:
    """The connection as Airbyte would answer it, with what it adds of its own."""
    file = definitions.connection("adventureworks").definition
    streams = [
        {
            "name": stream.name,
            "namespace": stream.namespace,
            "syncMode": stream.sync_mode.value,
            "cursorField": ["_ab_cdc_lsn"],
            "primaryKey": [[column] for column in reversed(stream.primary_key)],
            "selectedFields": [{"fieldPath": [column]} for column in reversed(stream.selected_fields)],
            "mappers": [],
            "includeFiles": False,
        }
        for stream in reversed(file.streams)
    ]
    return {
        "name": "adventureworks",
        "status": "active",
        "schedule": {"scheduleType": "manual"},
        "dataResidency": "auto",
        "namespaceDefinition": "custom_format",
        "namespaceFormat": "adventureworks_${SOURCE_NAMESPACE}",
        "nonBreakingSchemaUpdatesBehavior": "propagate_columns",
        "configurations": {"streams": streams},
        "tags": [],
    }


def test_order_and_fields_of_airbytes_own_are_no_difference(definitions: Definitions) -> None:
    file = definitions.connection("adventureworks").definition
    assert connection_differences(file, held(definitions)) == []


def test_every_field_is_compared(definitions: Definitions) -> None:
    file = definitions.connection("adventureworks").definition
    present = held(definitions) | {
        "status": "inactive",
        "schedule": {"scheduleType": "cron", "cronExpression": "0 0 * * * ?"},
        "namespaceDefinition": "source",
        "namespaceFormat": None,
        "prefix": "x_",
        "nonBreakingSchemaUpdatesBehavior": "ignore",
        "configurations": None,
    }
    changed = connection_differences(file, present)
    assert changed[:7] == [
        "status",
        "schedule.scheduleType",
        "schedule.cronExpression",
        "namespaceDefinition",
        "namespaceFormat",
        "prefix",
        "nonBreakingSchemaUpdatesBehavior",
    ]
    assert changed[7:] == [f"+{stream.label}" for stream in file.streams]


@pytest.mark.parametrize(
    ("written", "answered", "same"),
    [
        ("0 0 12 * * ?", "0 0 12 * * ? UTC", True),
        ("0 0 12 * * ? 2030", "0 0 12 * * ? 2030 UTC", True),
        ("0 0 12 * * ? Europe/Paris", "0 0 12 * * ? Europe/Paris", True),
        ("0 0 12 * * ? Europe/Paris", "0 0 12 * * ? UTC", False),
        ("0 0 12 * * ?", "0 0 13 * * ? UTC", False),
        ("0 0 12 * * ?", None, False),
    ],
)
def test_airbyte_adds_the_time_zone_to_a_cron_expression(
    definitions: Definitions, written: str, answered: str | None, same: bool
) -> None:
    file = definitions.connection("adventureworks").definition
    schedule = file.schedule.model_copy(update={"cron_expression": written})
    present = held(definitions)
    present["schedule"] = present["schedule"] | {"cronExpression": answered}
    changed = connection_differences(file.model_copy(update={"schedule": schedule}), present)
    assert changed == ([] if same else ["schedule.cronExpression"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("syncMode", "full_refresh_overwrite"),
        ("primaryKey", [["rowguid"]]),
        ("selectedFields", [{"fieldPath": ["rowguid"]}]),
    ],
)
def test_a_streams_fields_are_compared(definitions: Definitions, field: str, value: Any) -> None:
    present = held(definitions)
    present["configurations"]["streams"][0][field] = value
    assert connection_differences(definitions.connection("adventureworks").definition, present) == [
        f"sales.store.{field}"
    ]


def test_a_cursor_or_key_that_the_file_leaves_to_the_source_is_no_difference(
    definitions: Definitions,
) -> None:
    file = definitions.connection("adventureworks").definition
    present = held(definitions)
    for stream in present["configurations"]["streams"]:
        stream["cursorField"] = ["updated_at"]
    assert connection_differences(file, present) == []
    streams = [stream.model_copy(update={"cursor_field": "modifieddate"}) for stream in file.streams]
    changed = connection_differences(file.model_copy(update={"streams": streams}), present)
    assert changed == [f"{stream.label}.cursorField" for stream in file.streams]


def test_an_actor_is_compared_by_the_fields_of_its_file(definitions: Definitions) -> None:
    source = definitions.sources["adventureworks"]
    present = source.values | {"password": "**********", "tunnel_method": {"tunnel_method": "NO_TUNNEL"}}
    assert actor_differences(source, present) == []
    present |= {"port": 1, "ssl_mode": {"mode": "require"}, "schemas": ["sales"]}
    del present["host"]
    assert actor_differences(source, present) == ["host", "port", "schemas", "ssl_mode.mode"]


def test_fingerprints_notice_a_change_and_keep_no_secret(tmp_path: Path) -> None:
    settings = load_settings({"ELT_HOME": str(tmp_path)})
    notes = Fingerprints(settings)
    assert notes.changed("id", {"password": "one"}) == ["password"]
    notes.note("id", {"password": "one"})
    again = Fingerprints(settings)
    assert again.changed("id", {"password": "one"}) == []
    assert again.changed("id", {"password": "two"}) == ["password"]
    assert again.changed("other id", {"password": "one"}) == ["password"]
    assert again.path.stat().st_mode & 0o777 == 0o600
    assert "one" not in again.path.read_text()
    again.path.write_text("{ torn")
    assert Fingerprints(settings).changed("id", {"password": "one"}) == ["password"]
