"""Any request that the OpenAPI document's shapes allow, and many that they don't: the answer is never a fault of ours."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from airbyte_local.api.app import create_app, limited
from airbyte_local.enums import ActorKind
from airbyte_local.jobs.runner import JobRunner
from airbyte_local.store import Store
from airbyte_local.vault import Tokens, Vault
from foundation.limits.brake import FREE
from foundation.limits.requests import STRANGERS_BODY
from foundation.settings import settings as this_process

BASE = "/api/public/v1"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    home = tmp_path_factory.mktemp("airbyte")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELT_HOME", str(home))
        this_process.cache_clear()
        yield from made(home)
    this_process.cache_clear()


def made(home):
    key = Fernet.generate_key().decode()
    store = Store(home / "airbyte.sqlite", Vault(key))
    yield create_app(store, JobRunner(store, home), Tokens("client", "secret", key))
    store.close()


@pytest.fixture(scope="module")
def client(app):
    """Without the application's life: nothing is started."""
    return TestClient(limited(app))


@pytest.fixture(scope="module")
def operations(app):
    return [
        (method, path, described)
        for path, methods in app.openapi()["paths"].items()
        for method, described in methods.items()
    ]


@pytest.fixture(scope="module")
def login(client):
    body = {"client_id": "client", "client_secret": "secret"}
    token = client.post(f"{BASE}/applications/token", json=body).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def bodies(app):
    """A good body of each request that makes something."""
    address = {
        "sourceType": "postgres",
        "host": "127.0.0.1",
        "port": 1,
        "database": "shop",
        "username": "reader",
    }
    warehouse = {
        "destinationType": "duckdb",
        "destination_path": str(app.state.store.path.with_name("w.duckdb")),
    }
    stream = {
        "name": "orders",
        "namespace": "sales",
        "syncMode": "incremental_deduped_history",
        "cursorField": ["at"],
        "primaryKey": [["id"]],
        "selectedFields": [{"fieldPath": ["id"]}, {"fieldPath": ["at"]}],
    }
    return {
        "workspaces": {"name": "shop", "notifications": {"slack": {"on": True}}},
        "sources": {"name": "shop", "workspaceId": "", "configuration": address},
        "destinations": {"name": "warehouse", "workspaceId": "", "configuration": warehouse},
        "connections": {
            "name": "shop to warehouse",
            "sourceId": "",
            "destinationId": "",
            "status": "inactive",
            "schedule": {"scheduleType": "cron", "cronExpression": "0 30 6 ? * MON-FRI"},
            "namespaceDefinition": "custom_format",
            "namespaceFormat": "shop_${SOURCE_NAMESPACE}",
            "prefix": "p_",
            "configurations": {"streams": [stream]},
            "tags": [],
        },
        "tags": {"name": "tag", "color": "FFFFFF", "workspaceId": ""},
        "jobs": {"connectionId": "", "jobType": "sync"},
    }


@pytest.fixture(scope="module")
def ids(client, login, bodies):
    """Of one of each: the source's server is not there, the connection starts no job."""
    made: dict[str, str] = {}
    for what in ("workspaces", "sources", "destinations", "connections", "tags"):
        for name in bodies[what].keys() & made.keys():
            bodies[what][name] = made[name]
        answer = client.post(f"{BASE}/{what}", json=bodies[what], headers=login).raise_for_status().json()
        made[f"{what[:-1]}Id"] = answer[f"{what[:-1]}Id"]
    bodies["jobs"]["connectionId"] = made["connectionId"]
    return made


JSON = {"content-type": "application/json"}
HARD = ["\ud800", "a\0b", 2**63, "x" * 5000, [], {"": {"": []}}, None]
ODD = st.one_of(
    st.sampled_from(
        [
            2**31,
            2**63 - 1,
            2**63,
            -(2**63) - 1,
            10**30,
            -1,
            0,
            1e308,
            0.5,
            True,
            None,
            "",
            "\0",
            "a\0b",
            "\ud800",
            "𝕏" * 50,
            "x" * 5000,
            "'; drop table jobs; --",
            "../../etc",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59Z",
            "00000000-0000-0000-0000-000000000000",
            [],
            {},
            [[]],
            {"": {"": []}},
            ["\0"],
            "0 0 0 1 1 ? 1970",
            "* * * * * ?",
        ]
    ),
    st.integers(),
    st.text(max_size=20),
)


def places(value, path=()):
    """The path of everything in a body."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def replaced(value, path, new):
    """A body with something else at one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def in_address(value):
    """A value as an address has it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.threat("a request that makes a server fail")
def test_no_request_makes_the_server_fail(app, client, operations, login, ids, bodies):
    @settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def attempt(data):
        method, path, described = data.draw(st.sampled_from(operations))
        body = bodies.get(path.removeprefix(f"{BASE}/").partition("/")[0])
        for name in re.findall(r"{(\w+)}", path):
            known = ids.get(f"{name.partition('_')[0]}Id", "1")
            path = path.replace(f"{{{name}}}", in_address(data.draw(st.one_of(st.just(known), ODD))) or "-")
        query = [
            f"{parameter['name']}={in_address(data.draw(ODD))}"
            for parameter in described.get("parameters", ())
            if parameter["in"] == "query" and data.draw(st.booleans())
        ]
        sent = {}
        if "requestBody" in described:
            place = data.draw(st.sampled_from(list(places(body))))
            changed = replaced(body, place, data.draw(st.one_of(st.sampled_from(HARD), ODD)))
            sent = {"content": json.dumps(changed).encode(), "headers": JSON | login}
        if method == "delete" and not query:
            path += "0"  # what is there stays for the next attempt
        answer = client.request(
            method, path + "?" * bool(query) + "&".join(query), **{"headers": login} | sent
        )
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    attempt()


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_large_body_is_refused_on_every_route_before_any_login(client, operations):
    assert len(operations) > 30
    for method, path, _ in operations:
        answer = client.request(method, path, content=b"x" * (STRANGERS_BODY + 1))
        assert (answer.status_code, answer.json()["status"]) == (413, 413), (method, path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/jobs/9223372036854775808", "job_id"),
        ("/jobs/-1", "job_id"),
        ("/jobs?offset=9223372036854775807", "offset"),
        ("/jobs/1/logs?offset=9223372036854775808", "offset"),
        ("/workspaces?limit=9223372036854775808", "limit"),
    ],
)
@pytest.mark.threat("a request that makes a server fail")
def test_a_number_beyond_64_bit_is_refused_by_its_name(client, login, path, said):
    answer = client.get(BASE + path, headers=login)
    assert answer.status_code == 422 and answer.json()["data"]["errors"][0]["field"] == said


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_form_of_very_many_fields_is_refused(client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post(f"{BASE}/applications/token", content="a=1&" * 33, headers=form)
    assert answer.status_code == 400 and "more than 32 fields" in answer.json()["detail"]


@pytest.mark.threat("guesses of a password")
def test_a_guesser_of_the_secret_has_to_wait(app, operations):
    client = TestClient(limited(app))

    def ask(secret, name="guessed"):
        body = {"client_id": name, "client_secret": secret}
        return client.post(f"{BASE}/applications/token", json=body)

    assert [ask("wrong").status_code for _ in range(FREE)] == [401] * FREE
    refused = ask("secret")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert ask("secret", "client").status_code == 200  # another user is not concerned


@pytest.mark.threat("guesses of a password")
def test_who_guesses_an_unguessable_secret_keeps_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setenv("ELT_HOME", str(tmp_path))
    this_process.cache_clear()
    secret = "a secret that a machine made"  # pragma: allowlist secret
    key = Fernet.generate_key().decode()
    store = Store(tmp_path / "airbyte.sqlite", Vault(key))
    client = TestClient(limited(create_app(store, JobRunner(store, tmp_path), Tokens("elt", secret, key))))

    def ask(given):
        body = {"client_id": "elt", "client_secret": given}
        return client.post(f"{BASE}/applications/token", json=body).status_code

    assert [ask("wrong") for _ in range(FREE + 1)] == [401] * FREE + [429]
    assert [ask(secret), ask("wrong")] == [200, 401]
    store.close()
    this_process.cache_clear()


@pytest.mark.parametrize("media", ["application/json; x=form", "application/x.form+json", "text/form", ""])
@pytest.mark.threat("a request that makes a server fail")
def test_a_body_is_judged_whatever_its_media_type_says(client, login, media):
    headers = login | {"content-type": media}
    for body, said in (
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"name": "x", "notifications": {"a": NaN}}', "NaN"),
        (b'{"client_id": "\\ud800", "client_secret": ""}', "surrogate"),
    ):
        for path in ("workspaces", "applications/token"):
            answer = client.post(f"{BASE}/{path}", content=body, headers=headers)
            assert answer.status_code in (400, 422) and said in answer.json()["detail"], (body, path)


@pytest.mark.threat("a full disk")
def test_a_full_disk_is_named(app, client, login):
    store = app.state.store
    store._db.write("vacuum")  # no page is free that an earlier test left
    pages = store._db.write("pragma page_count").fetchone()[0]
    store._db.write(f"pragma max_page_count = {pages}")
    try:
        answer = client.post(f"{BASE}/workspaces", json={"name": "x" * 60_000}, headers=login)
    finally:
        store._db.write("pragma max_page_count = 4294967294")
    assert answer.status_code == 507
    assert answer.json()["detail"] == f"the disk is full at {store.path.parent}: free some space there"


@pytest.mark.threat("a path that leads out")
def test_a_destination_outside_of_the_home_is_refused_links_followed(app, client, login, ids, tmp_path):
    home = app.state.store.path.parent
    (home / "way out").symlink_to(tmp_path)

    def answer(path):
        warehouse = {"destinationType": "duckdb", "destination_path": str(path)}
        body = {"name": "warehouse", "workspaceId": ids["workspaceId"], "configuration": warehouse}
        return client.post(f"{BASE}/destinations", json=body, headers=login)

    assert answer(home / "folder" / "w.duckdb").status_code == 200
    for path in (
        tmp_path / "w.duckdb",
        home / ".." / "w.duckdb",
        home / "way out" / "w.duckdb",
        "/etc/w.duckdb",
    ):
        refused = answer(path)
        assert refused.status_code == 422 and "AIRBYTE_FOLDERS" in refused.json()["detail"], path
    stored = answer(home / "later" / "w.duckdb").json()["destinationId"]
    (home / "later").symlink_to(tmp_path)
    connection = {
        "sourceId": ids["sourceId"],
        "destinationId": stored,
        "configurations": {"streams": [{"name": "orders"}]},
    }
    connected = client.post(f"{BASE}/connections", json=connection, headers=login).json()
    job = client.post(
        f"{BASE}/jobs", json={"connectionId": connected["connectionId"], "jobType": "sync"}, headers=login
    ).json()
    assert (
        job["status"] == "failed" and "is not below" in app.state.store.jobs.get(job["jobId"]).failure_reason
    )


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        (
            "jobs",
            {"streams": [{"name": "orders"}]},
            "streams: a job of some streams is for POST /jobs/streams",
        ),
        ("jobs", {"streams": []}, "streams: a job of some streams is for POST /jobs/streams"),
        ("jobs", {"stream": "orders"}, "stream: no field of this request"),
        ("jobs/streams", {"streams": [{"name": "orders"}], "since": "x"}, "since: no field of this request"),
    ],
)
def test_a_job_that_asks_for_something_else_is_not_started(client, login, path, more, said):
    body = {"connectionId": "c", "jobType": "refresh"} | more
    answer = client.post(f"{BASE}/{path}", json=body, headers=login)
    assert (answer.status_code, answer.json()["detail"]) == (422, said)


def test_a_replication_method_that_is_no_name_is_refused(client, login, ids, bodies):
    configuration = bodies["sources"]["configuration"] | {"replication_method": {"method": ["CDC"]}}
    given = bodies["sources"] | {"configuration": configuration}
    answer = client.post(f"{BASE}/sources", json=given, headers=login)
    assert answer.status_code == 422
    assert "configuration.replication_method.method: " in answer.json()["detail"]


def test_a_source_whose_connector_is_gone_cannot_be_changed(app, client, login, ids):
    made = app.state.store.actors.add(ActorKind.SOURCE, ids["workspaceId"], "old", "gone", {"a": 1})
    url = f"{BASE}/sources/{made.id}"
    answer = client.patch(url, json={"name": "new"}, headers=login)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "configuration.sourceType: this server has no gone any more"
    assert client.get(url, headers=login).json()["name"] == "old"
    assert client.delete(url, headers=login).status_code == 204
