"""How Airflow's REST API is asked."""

import json

import httpx
import pytest

from foundation.errors import EltError, Kind
from foundation.settings import load_settings
from orchestration import airflow_api


@pytest.fixture
def config(tmp_path):
    return load_settings({"ELT_HOME": str(tmp_path), "AIRFLOW_PORT": "1"})


def test_a_server_that_does_not_answer_is_down(config):
    assert airflow_api.healthy(config, timeout=1) == {"api_server": "down"}


def answering(monkeypatch, handler):
    transport = httpx.MockTransport(handler)
    get, client = httpx.get, httpx.Client
    monkeypatch.setattr(httpx, "get", lambda url, **options: client(transport=transport).get(url))
    monkeypatch.setattr(httpx, "Client", lambda **options: client(**options | {"transport": transport}))
    return get


def test_each_component_is_reported_and_one_that_has_not_reported_is_unhealthy(config, monkeypatch):
    report = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": None}, "triggerer": None}
    answering(monkeypatch, lambda request: httpx.Response(200, json=report))
    assert airflow_api.healthy(config) == {
        "api_server": "healthy",
        "metadatabase": "healthy",
        "scheduler": "unhealthy",
        "dag_processor": "unhealthy",
        "triggerer": "unhealthy",
    }


def test_the_client_logs_in_when_it_must_and_again_when_its_token_has_expired(config, monkeypatch):
    valid, logins = {"token": "first"}, []

    def handler(request):
        if request.url.path == "/auth/token":
            logins.append(json.loads(request.content))
            return httpx.Response(201, json={"access_token": valid["token"]})
        known = request.headers["Authorization"] == f"Bearer {valid['token']}"
        return httpx.Response(200 if known else 401, json={})

    answering(monkeypatch, handler)
    with airflow_api.client(config) as api:
        assert api.get("/dags").status_code == 200
        assert api.get("/dags").status_code == 200
        assert len(logins) == 1
        valid["token"] = "second"
        assert api.get("/dags").status_code == 200
    assert logins == [{"username": "admin", "password": config.airflow_admin_password.get_secret_value()}] * 2


def test_a_refused_login_names_the_variables(config, monkeypatch):
    answering(monkeypatch, lambda request: httpx.Response(401))
    with airflow_api.client(config) as api, pytest.raises(EltError, match="AIRFLOW_ADMIN_PASSWORD"):
        api.get("/dags")


def test_a_server_that_has_gone_is_one_line_with_its_address(config):
    with airflow_api.client(config) as api, pytest.raises(EltError) as caught:
        api.get("/dags")
    assert str(caught.value).startswith("Airflow does not answer at http://127.0.0.1:1 (")
    assert "\n" not in str(caught.value) and "elt status" in str(caught.value)
    assert caught.value.kind is Kind.RETRY
