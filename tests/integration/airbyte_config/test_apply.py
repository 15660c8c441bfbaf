"""`elt airbyte apply` against the real server, through the unmodified SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from airbyte_api import api as requests
from airbyte_api import models

from airbyte_config import client
from airbyte_config.apply import Action
from foundation.errors import EltError
from foundation.settings import ROOT
from tests.fixtures.source import free_port
from tests.integration.airbyte_config.conftest import Site

Edit = Callable[[str, str, str], Path]
CONNECTION = "connections/adventureworks.yaml"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request that the SDK sends, as `GET /sources`."""
    seen: list[str] = []

    class Watched(httpx.Client):
        def send(self, request: httpx.Request, **options) -> httpx.Response:
            seen.append(f"{request.method} {request.url.path.removeprefix('/api/public/v1')}")
            return super().send(request, **options)

    monkeypatch.setattr(client.httpx, "Client", Watched)
    return seen


def writes(sent: list[str]) -> list[str]:
    return [line for line in sent if not line.startswith("GET ") and line != "POST /applications/token"]


ALL = ("source adventureworks", "destination warehouse", "connection adventureworks")
CREATED = {name: (Action.CREATED, []) for name in ALL}
UNCHANGED = {name: (Action.UNCHANGED, []) for name in ALL}


def test_apply_creates_what_the_files_say(site: Site) -> None:
    assert site.apply() == CREATED
    (source,), (destination,), (connection,) = map(site.held, ("sources", "destinations", "connections"))
    assert source["configuration"]["username"] == "airbyte_reader"
    assert source["configuration"]["port"] == site.settings.source_port
    assert destination["configuration"]["destination_path"] == str(site.settings.warehouse_path)
    assert connection["sourceId"] == source["sourceId"]
    assert connection["destinationId"] == destination["destinationId"]
    assert connection["namespaceFormat"] == "adventureworks_${SOURCE_NAMESPACE}"
    assert connection["schedule"] == {"scheduleType": "manual"}
    streams = {f"{s['namespace']}.{s['name']}": s for s in connection["configurations"]["streams"]}
    assert len(streams) == 44
    assert streams["sales.salesorderdetail"]["primaryKey"] == [["salesorderid"], ["salesorderdetailid"]]
    assert {s["syncMode"] for s in streams.values()} == {"incremental_deduped_history"}
    for stream, column in (
        ("humanresources.employee", "nationalidnumber"),
        ("sales.creditcard", "cardnumber"),
    ):
        selected = [field["fieldPath"] for field in streams[stream]["selectedFields"]]
        assert selected
        assert [column] not in selected
    assert "person.password" not in streams


def test_a_second_apply_changes_nothing_and_sends_no_write(site: Site, sent: list[str]) -> None:
    assert site.apply() == CREATED
    assert writes(sent) == ["POST /sources", "POST /destinations", "POST /connections"]
    sent.clear()
    assert site.apply() == UNCHANGED
    assert writes(sent) == []
    assert "GET /connections" in sent


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ("adventureworks_${SOURCE", "shop_${SOURCE", ["namespaceFormat"]),
        ("propagate_columns", "ignore", ["nonBreakingSchemaUpdatesBehavior"]),
        ("      - loginid\n", "", ["humanresources.employee.selectedFields"]),
        ("  - namespace: person\n    name: address\n    primaryKey: [addressid]\n", "", ["-person.address"]),
        (
            "    name: addresstype\n    primaryKey: [addresstypeid]",
            "    name: contacttype\n    syncMode: full_refresh_overwrite",
            ["+person.contacttype", "-person.addresstype"],
        ),
        (
            "name: store\n",
            "name: store\n    syncMode: full_refresh_overwrite\n",
            ["sales.store.syncMode"],
        ),
    ],
)
def test_a_changed_field_is_updated_and_named(
    site: Site, sent: list[str], own_files: Edit, old: str, new: str, fields: list[str]
) -> None:
    site.apply()
    (before,) = site.held("connections")
    sent.clear()
    edited = own_files(CONNECTION, old, new)
    assert site.apply(edited) == UNCHANGED | {"connection adventureworks": (Action.UPDATED, fields)}
    assert writes(sent) == [f"PATCH /connections/{before['connectionId']}"]
    assert site.apply(edited) == UNCHANGED


def test_a_changed_setting_is_updated(site: Site) -> None:
    site.apply()
    moved = site.with_(SOURCE_PORT="54399")
    assert moved.apply()["source adventureworks"] == (Action.UPDATED, ["port"])
    (source,) = site.held("sources")
    assert source["configuration"]["port"] == 54399


def test_what_somebody_changed_in_airbyte_is_put_back(site: Site) -> None:
    site.apply()
    (connection,) = site.held("connections")
    site.server.sdk.connections.patch_connection(
        request=requests.PatchConnectionRequest(
            connection_id=connection["connectionId"],
            connection_patch_request=models.ConnectionPatchRequest(status="inactive", prefix="x_"),
        )
    )
    assert site.apply()["connection adventureworks"] == (Action.UPDATED, ["status", "prefix"])
    assert site.apply() == UNCHANGED


def test_a_changed_secret_is_noticed_and_never_shown(site: Site, sent: list[str]) -> None:
    site.apply()
    changed = site.with_(SOURCE_READER_PASSWORD="an other secret")
    result = changed.elt("airbyte", "apply")
    assert result.returncode == 0, result.stderr
    assert "source adventureworks: updated (password)" in result.stdout
    assert changed.apply() == UNCHANGED
    notes = (site.settings.home / "airbyte-secrets.json").read_text()
    for secret in ("an other secret", site.settings.source_reader_password.get_secret_value()):
        assert secret not in result.stdout + result.stderr + notes
    sent.clear()
    assert changed.apply(resend_secrets=True)["source adventureworks"] == (Action.UPDATED, ["password"])
    assert len(writes(sent)) == 1


def test_another_machine_sends_the_secrets_once(site: Site, tmp_path: Path) -> None:
    site.apply()
    path = str(site.settings.warehouse_path)
    other = site.with_(ELT_HOME=str(tmp_path / "other"))
    changes = other.apply()
    assert changes["source adventureworks"] == (Action.UPDATED, ["password"])
    assert changes["destination warehouse"] == (Action.UPDATED, ["destination_path"])
    assert path != str(other.settings.warehouse_path)
    assert other.apply() == UNCHANGED


def test_two_applies_at_once_make_one_of_each(site: Site) -> None:
    command = [sys.executable, "-m", "elt.cli", "airbyte", "apply"]
    both = [
        subprocess.Popen(command, env=site.environ, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(output.count(": created") for output in outputs) == [0, 3]
    assert [len(site.held(kind)) for kind in ("sources", "destinations", "connections")] == [1, 1, 1]


def test_two_of_one_name_are_refused(site: Site) -> None:
    site.apply()
    site.server.sdk.sources.create_source(
        request=models.SourceCreateRequest(
            name="adventureworks",
            workspace_id=site.workspace_id,
            configuration=models.SourcePostgres(host="h", database="d", username="u"),
        )
    )
    with pytest.raises(EltError, match=r"2 sources named adventureworks .*delete or rename all but one"):
        site.apply()


def test_a_connection_with_another_source_is_refused(site: Site) -> None:
    site.apply()
    (connection,) = site.held("connections")
    server = site.server.sdk
    server.connections.delete_connection(
        request=requests.DeleteConnectionRequest(connection_id=connection["connectionId"])
    )
    other = server.sources.create_source(
        request=models.SourceCreateRequest(
            name="other",
            workspace_id=site.workspace_id,
            configuration=models.SourcePostgres(host="h", database="d", username="u"),
        )
    ).source_response.source_id
    stream = models.StreamConfiguration(name="store", namespace="sales", sync_mode="full_refresh_overwrite")
    server.connections.create_connection(
        request=models.ConnectionCreateRequest(
            name="adventureworks",
            source_id=other,
            destination_id=connection["destinationId"],
            configurations=models.StreamConfigurations(streams=[stream]),
        )
    )
    with pytest.raises(EltError, match="line 3: Airbyte's connection adventureworks has another source"):
        site.apply()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            CONNECTION,
            "scheduleType: manual # Airflow decides when",
            "{scheduleType: cron, cronExpression: '0 0 * * *'}",
            "line 7: cronExpression: has 5 fields",
        ),
        (
            "sources/adventureworks.yaml",
            "{setting: SOURCE_SLOT}",
            "Not-A-Slot",
            "line 16: source adventureworks can't be created: Airbyte says: .*replication_slot",
        ),
        (
            "destinations/duckdb.yaml",
            "{setting: WAREHOUSE_PATH}",
            "relative.duckdb",
            "line 5: destination warehouse can't be created: Airbyte says: .*must be an absolute path",
        ),
    ],
)
def test_a_refusal_is_reported_with_its_place_in_the_file(
    site: Site, own_files: Edit, file: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(EltError, match=message):
        site.apply(own_files(file, old, new))


def test_no_server_wrong_client_and_unknown_workspace_are_one_clear_line(site: Site) -> None:
    port = str(free_port())
    cases = [
        (
            {"AIRBYTE_PORT": port},
            f"does not answer at http://127.0.0.1:{port}",
            "start it with `elt up airbyte`",
        ),
        ({"AIRBYTE_URL": f"http://127.0.0.1:{port}"}, "does not answer", "mend AIRBYTE_URL"),
        (
            {"AIRBYTE_CLIENT_SECRET": "not-it"},
            "refused the log-in of client test client",
            "AIRBYTE_CLIENT_SECRET",
        ),
        ({"AIRBYTE_WORKSPACE": "nowhere"}, "no workspace nowhere", "one of: "),
    ]
    for variables, message, remedy in cases:
        with pytest.raises(EltError) as caught:
            site.with_(**variables).apply()
        assert message in caught.value.message
        assert remedy in caught.value.remedy
        assert "not-it" not in str(caught.value)
    result = site.with_(**cases[0][0]).elt("airbyte", "apply")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert cases[0][1] in result.stderr


def test_an_apply_waits_for_the_one_before(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("airbyte_config.apply.LOCK_SECONDS", 0.1)
    site.settings.home.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(site.settings.home / "airbyte-apply.lock"),
        pytest.raises(EltError, match=r"another .* is at work"),
    ):
        site.apply()
