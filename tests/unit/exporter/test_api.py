"""Who may read the metrics."""

import pytest
from starlette.testclient import TestClient

from exporter.api import Api

PASSWORD = "unguessable, as a machine made it"  # pragma: allowlist secret


@pytest.fixture
def client():
    return TestClient(Api(lambda: b"elt_up 1.0\n", "elt", PASSWORD).app)


def test_the_metrics_are_for_who_has_the_password(client):
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", auth=("elt", "wrong")).status_code == 401
    assert client.get("/metrics", auth=("other", PASSWORD)).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Basic no base64"}).status_code == 401
    answer = client.get("/metrics", auth=("elt", PASSWORD))
    assert (answer.status_code, answer.text) == (200, "elt_up 1.0\n")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.threat("guesses of a password")
def test_a_guesser_of_the_exporters_password_waits_and_keeps_prometheus_not_out(client):
    for _ in range(6):
        last = client.get("/metrics", auth=("elt", "wrong"))
    assert last.status_code == 429 and int(last.headers["retry-after"]) >= 1
    assert client.get("/metrics", auth=("elt", PASSWORD)).status_code == 200
