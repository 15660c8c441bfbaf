"""`elt airbyte export`: from what somebody made by hand to files, and back, without a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_api import models

from airbyte_config.apply import Action
from airbyte_config.export import export
from foundation.errors import EltError
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_config.conftest import Site, make_site


def by_hand(site: Site, source: SourceDatabase, folder: Path) -> None:
    """Two sources, two destinations, three connections and two tags, through Airbyte's own client."""
    sdk, reader = site.server.sdk, source.dsn("reader")
    place = {key: reader[name] for key, name in (("host", "host"), ("port", "port"), ("database", "dbname"))}
    common = place | {"username": reader["user"], "password": reader["password"]}
    sources = [
        sdk.sources.create_source(
            request=models.SourceCreateRequest(
                name=name,
                workspace_id=site.workspace_id,
                configuration=models.SourcePostgres.model_validate(
                    common | {"schemas": ["sales", "person"], "replication_method": method}
                ),
            )
        ).source_response.source_id
        for name, method in (
            ("Shop, by hand", {"method": "Standard"}),
            ("shop by hand", {"method": "CDC", "replication_slot": "shop", "publication": "shop"}),
        )
    ]
    destinations = [
        sdk.destinations.create_destination(
            request=models.DestinationCreateRequest(
                name=name,
                workspace_id=site.workspace_id,
                configuration=models.DestinationDuckdb(destination_path=str(folder / f"{name}.duckdb")),
            )
        ).destination_response.destination_id
        for name in ("Lager", "warehouse")
    ]
    tags = [
        sdk.tags.create_tag(
            request=models.TagCreateRequest(name=name, color=color, workspace_id=site.workspace_id)
        ).tag_response
        for name, color in (("finance", "#FF0000"), ("Ängste: ja", "00ff00"))
    ]
    store = {"name": "store", "namespace": "sales"}
    connections: list[dict[str, Any]] = [
        {
            "name": "by cursor",
            "status": "inactive",
            "schedule": {"scheduleType": "cron", "cronExpression": "0 0 6 * * ? Europe/Vienna"},
            "namespaceDefinition": "custom_format",
            "namespaceFormat": "raw_${SOURCE_NAMESPACE}",
            "prefix": "x_",
            "nonBreakingSchemaUpdatesBehavior": "propagate_fully",
            "tags": tags,
            "streams": [
                store | {"syncMode": "incremental_append", "cursorField": ["modifieddate"]},
                {
                    "name": "address",
                    "namespace": "person",
                    "syncMode": "incremental_deduped_history",
                    "cursorField": ["modifieddate"],
                    "primaryKey": [["addressid"]],
                    "selectedFields": [
                        {"fieldPath": [column]} for column in ("modifieddate", "city", "addressid")
                    ],
                },
                {"name": "currency", "syncMode": "full_refresh_append"},
            ],
        },
        {"name": "everything", "streams": None},
        {"name": "by capture", "streams": [store | {"syncMode": "incremental_deduped_history"}]},
    ]
    ends = [(sources[0], destinations[0]), (sources[0], destinations[1]), (sources[1], destinations[1])]
    for body, (source_id, destination_id) in zip(connections, ends, strict=True):
        streams = body.pop("streams")
        request = body | {
            "sourceId": source_id,
            "destinationId": destination_id,
            "tags": [tag.model_dump(by_alias=True) for tag in body.get("tags", [])],
            **({"configurations": {"streams": streams}} if streams else {}),
        }
        sdk.connections.create_connection(request=models.ConnectionCreateRequest.model_validate(request))


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}


def test_what_was_made_by_hand_is_exported_applied_to_an_empty_server_and_exported_again_without_a_difference(
    site: Site, own_airbyte: AirbyteServer, empty_template: SourceDatabase, tmp_path: Path
) -> None:
    by_hand(site, empty_template, tmp_path)
    result = site.elt("airbyte", "export", "--to", str(tmp_path / "first"))
    assert result.returncode == 0, result.stderr
    first = files(tmp_path / "first")
    assert list(first) == [
        "connections/by_capture.yaml",
        "connections/by_cursor.yaml",
        "connections/everything.yaml",
        "destinations/lager.yaml",
        "destinations/warehouse.yaml",
        "sources/shop_by_hand.yaml",
        "sources/shop_by_hand_2.yaml",
    ]
    password = empty_template.dsn("reader")["password"]
    assert password not in "".join(first.values()) + result.stdout
    assert "password: {secret: SOURCE_SHOP_BY_HAND_PASSWORD}" in first["sources/shop_by_hand.yaml"]
    assert result.stdout.splitlines()[-1] == (
        "set before you apply: SOURCE_SHOP_BY_HAND_PASSWORD, SOURCE_SHOP_BY_HAND_2_PASSWORD"
    )
    cursor = yaml.safe_load(first["connections/by_cursor.yaml"])
    assert cursor["tags"] == [
        {"name": "finance", "color": "#FF0000"}, {"name": "Ängste: ja", "color": "00ff00"},
    ]  # fmt: skip
    assert [stream["name"] for stream in cursor["streams"]] == ["currency", "address", "store"]
    assert len(yaml.safe_load(first["connections/everything.yaml"])["streams"]) > 20

    empty = make_site(own_airbyte, empty_template, tmp_path / "elsewhere").with_(
        SOURCE_SHOP_BY_HAND_PASSWORD=password, SOURCE_SHOP_BY_HAND_2_PASSWORD=password
    )
    assert {action for action, _ in empty.apply(tmp_path / "first").values()} == {Action.CREATED}
    export(tmp_path / "second", settings=empty.settings)
    assert files(tmp_path / "second") == first

    # the first server holds what the files say, too, but for the secrets, which it did not get from us
    drift = site.elt("airbyte", "drift", "--connections", str(tmp_path / "second"))
    assert drift.returncode == 0, drift.stdout
    again = empty.elt("airbyte", "plan", "--connections", str(tmp_path / "second"))
    assert again.stdout.splitlines()[-1] == "plan: 0 to create, 0 to change, 0 to delete, 7 unchanged"


def test_our_own_files_come_back_as_they_were(site: Site, tmp_path: Path) -> None:
    site.apply()
    export(tmp_path / "out", settings=site.settings)
    password = site.settings.source_reader_password.get_secret_value()
    there = site.with_(SOURCE_ADVENTUREWORKS_PASSWORD=password)
    assert {action for action, _ in there.apply(tmp_path / "out").values()} == {Action.UNCHANGED}


def test_an_export_overwrites_nothing_unasked_and_takes_one_connection_alone(
    site: Site, empty_template: SourceDatabase, tmp_path: Path
) -> None:
    by_hand(site, empty_template, tmp_path)
    exported = export(tmp_path / "out", only="by capture", settings=site.settings)
    assert [path.name for path in exported.files] == [
        "shop_by_hand.yaml",
        "warehouse.yaml",
        "by_capture.yaml",
    ]
    path = tmp_path / "out" / "destinations" / "warehouse.yaml"
    path.write_text("mine")
    with pytest.raises(
        EltError, match=r"shop_by_hand.yaml is there already — export to an empty folder, or --force"
    ):
        export(tmp_path / "out", settings=site.settings)
    assert path.read_text() == "mine"
    export(tmp_path / "out", force=True, settings=site.settings)
    assert path.read_text() != "mine"
    with pytest.raises(EltError, match="Airbyte has no connection nothing"):
        export(tmp_path / "out", only="nothing", settings=site.settings)
