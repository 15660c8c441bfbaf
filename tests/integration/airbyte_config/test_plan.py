"""`elt airbyte plan` and `drift` against the real server, through the unmodified SDK."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from airbyte_api import api as requests
from airbyte_api import models

from airbyte_config import client
from airbyte_config.apply import Action, apply
from airbyte_config.definitions import load
from airbyte_config.documents import DIRECTORY
from airbyte_config.jobs import run
from airbyte_config.plan import Plan, make_plan
from airbyte_config.server import Server
from foundation.errors import EltError
from tests.fixtures.connections import by_cursor
from tests.integration.airbyte_config.conftest import Chain, Site

Edit = Callable[[str, str, str], Path]
CONNECTION = "connections/adventureworks.yaml"
SOURCE = "sources/adventureworks.yaml"


def plan_of(site: Site, directory: Path = DIRECTORY, **options: Any) -> Plan:
    return make_plan(load(directory, site.settings), Server(site.settings), site.settings, **options)


def diff(plan: Plan) -> list[str]:
    return [line for change in plan.pending for line in change.lines()]


def shop(site: Site, name: str = "other") -> tuple[str, str]:
    """A source, and a connection from it, made by hand."""
    sdk = site.server.sdk
    source = site.held("sources")[0]["configuration"] | {"password": "made by hand"}
    source_id = sdk.sources.create_source(
        request=models.SourceCreateRequest(
            name=name, workspace_id=site.workspace_id, configuration=models.SourcePostgres(**source)
        )
    ).source_response.source_id
    stream = models.StreamConfiguration(name="store", namespace="sales", sync_mode="full_refresh_overwrite")
    connection_id = sdk.connections.create_connection(
        request=models.ConnectionCreateRequest(
            name=name,
            source_id=source_id,
            destination_id=site.held("destinations")[0]["destinationId"],
            configurations=models.StreamConfigurations(streams=[stream]),
        )
    ).connection_response.connection_id
    return source_id, connection_id


def test_a_plan_for_an_empty_server_shows_all_that_comes_and_no_secret(site: Site) -> None:
    result = site.elt("airbyte", "plan")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "+ source adventureworks"
    assert f"    + port: {site.settings.source_port}" in lines
    assert "    + password: (secret)" in lines
    assert (
        "    + sales.salesorderdetail: incremental_deduped_history, key salesorderdetailid and salesorderid"
        in lines
    )
    assert "connection adventureworks: its streams are checked when source adventureworks is there" in lines
    assert lines[-1] == "plan: 3 to create, 0 to change, 0 to delete, 0 unchanged"
    assert site.settings.source_reader_password.get_secret_value() not in result.stdout
    assert [site.held(kind) for kind in ("sources", "destinations", "connections")] == [[], [], []]


def test_a_plan_is_a_diff_by_field_and_changes_nothing(site: Site, own_files: Edit) -> None:
    site.apply()
    own_files(CONNECTION, "      - loginid\n      - jobtitle\n", "")
    edited = own_files(CONNECTION, "status: active", "status: inactive\nprefix: x_")
    path = edited / CONNECTION
    path.write_text(path.read_text().replace("name: addresstype\n", "name: contacttype\n"))
    path.write_text(path.read_text().replace("[addresstypeid]", "[contacttypeid]"))
    moved = site.with_(SOURCE_PORT="54399")
    before = [site.held(kind) for kind in ("sources", "destinations", "connections")]
    assert diff(plan_of(moved, edited)) == [
        "~ source adventureworks",
        f"    ~ port: {site.settings.source_port} → 54399",
        "~ connection adventureworks",
        "    ~ status: active → inactive",
        "    ~ prefix: (none) → x_",
        "    + person.contacttype: incremental_deduped_history, key contacttypeid",
        "    - person.addresstype",
        "    ~ humanresources.employee.selectedFields: -jobtitle, -loginid",
    ]
    assert [site.held(kind) for kind in ("sources", "destinations", "connections")] == before
    as_json = json.loads(moved.elt("airbyte", "plan", "--json", "--connections", str(edited)).stdout)
    assert as_json["changes"][0]["differences"] == [
        {"sign": "~", "path": "port", "held": site.settings.source_port, "meant": 54399}
    ]
    assert diff(plan_of(site)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: addresstype\n", "name: adresstype\n",
         "line 40: the source has no stream person.adresstype — did you mean person.addresstype?"),
        ("  - namespace: person\n    name: address\n", "  - namespace: persn\n    name: address\n",
         "line 37: the source has no stream persn.address — did you mean person.address?"),
        ("primaryKey: [addressid]", "primaryKey: [adressid]",
         "line 38: person.address has no column adressid, its primaryKey — did you mean addressid?"),
        ("      - loginid\n", "      - login\n",
         "line 23: humanresources.employee has no column login, its selectedFields — did you mean loginid?"),
        ("name: address\n", "name: address\n    syncMode: full_refresh_soft_delete\n",
         "line 38: person.address can't be synced with full_refresh_soft_delete — the source offers full_refresh"),
    ],
)  # fmt: skip
def test_a_mistake_that_only_the_source_knows_is_reported_with_its_line_before_anything_is_changed(
    site: Site, own_files: Edit, old: str, new: str, message: str
) -> None:
    site.apply()
    edited = own_files(CONNECTION, old, new)
    before = site.held("connections")
    for attempt in (plan_of, Site.apply):
        with pytest.raises(EltError) as caught:
            attempt(site, edited)
        assert f"{CONNECTION}, {message}" in str(caught.value)
    assert site.held("connections") == before


def test_a_wrong_cursor_is_reported_with_its_line(site: Site, tmp_path: Path) -> None:
    folder = by_cursor(tmp_path / "files")
    site.apply(folder)
    path = folder / CONNECTION
    path.write_text(path.read_text().replace("name: address\n", "name: address\n    cursorField: changed\n"))
    message = (
        "line 39: person.address has no column changed, its cursorField — there is: addressid, addressline1,"
    )
    with pytest.raises(EltError, match=message):
        plan_of(site, folder)


def test_a_source_that_will_be_read_otherwise_is_asked_for_its_streams_when_it_is_changed(
    site: Site, tmp_path: Path
) -> None:
    folder = by_cursor(tmp_path / "files")
    site.apply(folder)
    # captured from now on: what the source says of its cursors today does not hold for the files
    assert plan_of(site).notes == (
        "connection adventureworks: its streams are checked when source adventureworks is changed",
    )
    site.apply()
    path = folder / CONNECTION
    path.write_text(path.read_text().replace("name: address\n", "name: address\n    cursorField: changed\n"))
    with pytest.raises(EltError, match=r"line 39: person\.address has no column changed, its cursorField"):
        site.apply(folder)


def test_a_mistake_is_found_on_an_empty_server_when_the_source_is_there(site: Site, own_files: Edit) -> None:
    with pytest.raises(EltError, match=r"line 40: the source has no stream person.adresstype"):
        site.apply(own_files(CONNECTION, "name: addresstype\n", "name: adresstype\n"))
    assert site.held("connections") == []


def test_a_source_that_does_not_answer_is_no_mistake_of_the_files(site: Site) -> None:
    site.apply()
    moved = site.with_(SOURCE_PORT="1")
    moved.apply()
    (note,) = plan_of(moved).notes
    assert note.startswith("connection adventureworks: its streams can't be checked: ")


def test_a_change_that_needs_a_refresh_says_so_before(chain: Chain, own_files: Edit) -> None:
    site = chain.site
    own_files(CONNECTION, "      - loginid\n", "")
    path = own_files(CONNECTION, "[addressid]", "[addressid, modifieddate]") / CONNECTION
    path.write_text(path.read_text().replace("adventureworks_${", "shop_${"))
    # nothing is loaded yet: nothing needs to be loaded again
    assert not [line for line in diff(plan_of(site, path.parents[1])) if "!" in line]
    run("adventureworks", "sync", settings=site.settings)
    assert [line for line in diff(plan_of(site, path.parents[1])) if "!" in line] == [
        "    ! namespaceFormat: the tables get other names, and rows loaded before stay in the old ones",
        "    ! person.address.primaryKey: its table has one row for each of the old key",
        "    ! so adventureworks needs a refresh afterwards: `elt airbyte refresh adventureworks`",
    ]
    said: list[str] = []
    site.apply(path.parents[1], report=said.append)
    refresh = next(index for index, line in enumerate(said) if "needs a refresh afterwards" in line)
    assert said[refresh + 1].startswith("connection adventureworks: updated (")
    # back again: a column that the connection left out before is one that loaded rows lack
    assert "    ! humanresources.employee.selectedFields: rows loaded before lack the new columns" in diff(
        plan_of(site)
    )
    elsewhere = site.with_(SOURCE_DATABASE="postgres")
    assert "    ! database: if it is another database, its rows are others" in diff(plan_of(elsewhere))

    # what has loaded data is pruned only when that is said
    site.apply()
    renamed = own_files(CONNECTION, "name: adventureworks\n", "name: renamed\n")
    before = site.held("connections")
    refused = site.elt("airbyte", "apply", "--prune", "--connections", str(renamed))
    assert refused.returncode == 2
    assert (
        "--prune would delete connections that have loaded data: adventureworks — give --yes"
        in refused.stderr
    )
    assert site.held("connections") == before
    done = site.elt("airbyte", "apply", "--prune", "--yes", "--connections", str(renamed))
    assert "connection adventureworks: deleted" in done.stdout
    assert [one["name"] for one in site.held("connections")] == ["renamed"]


def test_nothing_is_deleted_without_prune(site: Site) -> None:
    site.apply()
    shop(site)
    assert [(one.kind, one.name) for one in plan_of(site).unknown] == [
        ("connection", "other"), ("source", "other"),
    ]  # fmt: skip
    assert "other" in site.elt("airbyte", "plan").stdout
    assert {action for action, _ in site.apply().values()} == {Action.UNCHANGED}
    assert len(site.held("sources")) == len(site.held("connections")) == 2
    assert diff(plan_of(site, prune=True)) == ["- connection other", "- source other"]
    changes = site.apply(prune=True)
    assert changes["connection other"] == changes["source other"] == (Action.DELETED, [])
    assert [one["name"] for one in site.held("sources")] == ["adventureworks"]
    assert site.apply(prune=True) == {
        f"{kind} {name}": (Action.UNCHANGED, [])
        for kind, name in (("source", "adventureworks"), ("destination", "warehouse"), ("connection", "adventureworks"))
    }  # fmt: skip


def test_drift_has_an_exit_code_for_ci(site: Site) -> None:
    site.apply()
    result = site.elt("airbyte", "drift")
    assert (result.returncode, result.stdout) == (0, "no drift: Airbyte holds what the files say\n")

    (connection,) = site.held("connections")
    site.server.sdk.connections.patch_connection(
        request=requests.PatchConnectionRequest(
            connection_id=connection["connectionId"],
            connection_patch_request=models.ConnectionPatchRequest(status="inactive"),
        )
    )
    result = site.elt("airbyte", "drift")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "~ connection adventureworks", "    ~ status: inactive → active", "drift: 1 resources differ",
    ]  # fmt: skip
    site.apply()

    shop(site)
    result = site.elt("airbyte", "drift", "--json")
    assert (result.returncode, json.loads(result.stdout)["unknown"]) == (
        1,
        [{"kind": "connection", "name": "other"}, {"kind": "source", "name": "other"}],
    )
    assert site.elt("airbyte", "drift", "--ignore-unknown").returncode == 0

    result = site.with_(AIRBYTE_CLIENT_SECRET="wrong").elt("airbyte", "drift")
    assert (result.returncode, result.stdout) == (2, "")
    assert "refused the log-in" in result.stderr


def test_drift_needs_no_secret_and_knows_one_that_it_sent(
    site: Site, own_files: Edit, tmp_path: Path
) -> None:
    files = own_files(SOURCE, "{secret: SOURCE_READER_PASSWORD}", "{secret: SHOP_PASSWORD}")
    password = site.settings.source_reader_password.get_secret_value()
    site.with_(SHOP_PASSWORD=password).apply(files)

    unset = site.elt("airbyte", "plan", "--connections", str(files))
    assert unset.returncode == 2
    assert "line 10: SHOP_PASSWORD is not set — set SHOP_PASSWORD in .env or the environment" in unset.stderr

    arguments = ("airbyte", "drift", "--connections", str(files))
    for elsewhere in (site, site.with_(ELT_HOME=str(tmp_path / "ci"), SHOP_PASSWORD=password)):
        if elsewhere is not site:
            path = str(site.settings.warehouse_path)
            (files / "destinations/duckdb.yaml").write_text(
                f"name: warehouse\nconfiguration: {{destinationType: duckdb, destination_path: {path}, schema: main}}\n"
            )
        result = elsewhere.elt(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        assert (
            "source adventureworks: not compared, for Airbyte never gives one back: password" in result.stdout
        )
    result = site.with_(SHOP_PASSWORD="another one").elt(*arguments)
    assert result.returncode == 1
    assert "    ~ password: (secret)" in result.stdout
    assert "another one" not in result.stdout


def test_two_applies_of_two_machines_at_once_create_nothing_twice(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen an empty server before either creates anything: the lock of one ELT_HOME can't help."""
    barriers = {path: threading.Barrier(2, timeout=60) for path in ("/sources", "/destinations")}

    class AtOnce(httpx.Client):
        def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
            path = request.url.path.removeprefix("/api/public/v1")
            if request.method == "POST" and path in barriers:
                barriers[path].wait()
            return super().send(request, **options)

    monkeypatch.setattr(client.httpx, "Client", AtOnce)
    results: list[Any] = []

    def machine(name: str) -> None:
        there = site.with_(ELT_HOME=str(tmp_path / name), SOURCE_READER_PASSWORD="pw")
        results.append(apply(settings=there.settings))

    threads = [threading.Thread(target=machine, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert [len(site.held(kind)) for kind in ("sources", "destinations", "connections")] == [1, 1, 1]
    created = [change.action for changes in results for change in changes].count(Action.CREATED)
    assert created == 3
