"""Inputs that only a server can refuse: one line, exit code 2, and neither the source nor Airbyte has changed. The inputs are in tests/bad_inputs."""

import pytest

from adventureworks.database import checksums, connect_reader
from tests import bad_inputs
from tests.bad_inputs import servers
from tests.bad_inputs.case import elt, faults, place
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port

AREAS = bad_inputs.by_area(servers)


@pytest.fixture(scope="module")
def server(generated_source, tmp_path_factory):
    """An Airbyte that holds what the right files say."""
    folder = tmp_path_factory.mktemp("airbyte of bad inputs")
    server = AirbyteServer(folder, free_port(), client_id="client of bad inputs")
    server.start()
    here = place(folder / "right", server.environ_with(generated_source, folder))
    servers.good_connections(here)
    words = ("airbyte", "apply", "--connections", str(here.inputs / "connections"))
    applied = elt(words, here.environ, here.env_file)
    assert applied.code == 0, applied.err
    yield server
    server.stop()


SLOW = {"CSV rows"}  # each of them loads the source


@pytest.mark.parametrize(
    "area", [pytest.param(area, marks=[pytest.mark.slow] if area in SLOW else []) for area in AREAS]
)
@pytest.mark.threat("an input that can't be")
def test_what_a_server_refuses_is_one_line_with_a_remedy_and_changes_nothing(
    area, server, generated_source, tmp_path
):
    def watched():
        with connect_reader(generated_source.settings) as conn:
            content = None if area == "Airbyte" else checksums(conn)
        kinds = ("/sources", "/destinations", "/connections", "/jobs")
        return content, [server.http.get(kind).json()["data"] for kind in kinds]

    found = faults(AREAS[area], tmp_path, server.environ_with(generated_source, tmp_path), watched)
    assert not found, "\n".join(f"{name}: {wrong}" for name, wrong in found.items())
