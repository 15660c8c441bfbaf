"""A container's health check: 0 for a program that is well, 1 for one that is not, and nothing else."""

import http.server
import json
import re
import threading

import pytest

from foundation.limits.instance import INSTANCE, instance
from foundation.settings import load_settings
from stack import health
from stack.airflow import DEPLOYED, PROGRAMS
from stack.postgres import CLUSTERS
from tests.fixtures.source import free_port


@pytest.fixture
def airflow(tmp_path, monkeypatch):
    """An API server that reports what the test says: component → status."""
    report: dict[str, dict] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(report).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = load_settings({"ELT_HOME": str(tmp_path), "AIRFLOW_PORT": str(server.server_address[1])})
    monkeypatch.setattr(health, "settings", lambda: config)
    yield report
    server.shutdown()
    server.server_close()


def test_there_is_a_check_for_every_program():
    assert set(health.CHECKS) == {*CLUSTERS, *PROGRAMS, *DEPLOYED, "sink", "airbyte", "superset"}


@pytest.mark.parametrize(
    ("status", "code"),
    [({"status": "healthy"}, 0), ({"status": "unhealthy"}, 1), ({"status": None}, 1), (None, 1)],
)
def test_a_part_of_airflow_is_well_when_its_heart_beats(airflow, status, code):
    airflow["scheduler"] = status
    airflow["dag_processor"] = {"status": "healthy"}
    assert health.main(["airflow-scheduler"]) == code
    assert health.main(["airflow-dag-processor"]) == 0


@pytest.mark.parametrize(
    "name", ["source", "metadata", "sink", "airbyte", "superset", "airflow-api-server", "airflow-scheduler"]
)
def test_what_does_not_answer_is_not_well(tmp_path, monkeypatch, name):
    ports = ("SOURCE", "METADATA", "SINK", "AIRBYTE", "SUPERSET", "AIRFLOW")
    config = load_settings({"ELT_HOME": str(tmp_path)} | {f"{port}_PORT": str(free_port()) for port in ports})
    monkeypatch.setattr(health, "settings", lambda: config)
    assert health.main([name]) == 1


def test_an_unknown_name_is_a_mistake_not_an_illness(capsys):
    assert health.main(["postgres"]) == 2
    assert "source|metadata" in capsys.readouterr().err


@pytest.mark.parametrize("program", sorted(health.PAGES))
@pytest.mark.threat("another user of the machine")
def test_another_program_on_the_port_is_not_ours(tmp_path, program):
    """It answers every page with 200; so does one of ours of another ELT_HOME."""
    names: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name in names:
                self.send_header(INSTANCE, name)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (variable,) = re.findall(r"{(\w+_port)}", health.PAGES[program])
        config = load_settings({"ELT_HOME": str(tmp_path), variable.upper(): str(server.server_address[1])})
        assert not health.answers(config, program)
        names.append(instance(tmp_path / "another", program))
        assert not health.answers(config, program)
        names[:] = [instance(config.home, program)]
        assert health.answers(config, program)
        server.shutdown()
