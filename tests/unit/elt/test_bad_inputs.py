"""Impossible inputs are refused in one line, with exit code 2, and nothing has changed. The inputs are in tests/bad_inputs."""

import pytest

from foundation.settings import Settings
from tests import bad_inputs
from tests.bad_inputs import arguments, files, folders, settings, state
from tests.bad_inputs.case import elt, faults, place
from tests.fixtures.source import free_port
from tests.fixtures.stack import PORTS, clean_environ

AREAS = bad_inputs.by_area(settings, arguments, files, folders, state)


@pytest.fixture(scope="module")
def environ():
    """Ports on which nobody listens: what needs no server asks none."""
    return clean_environ() | {name: str(free_port()) for name in PORTS}


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.threat("an input that can't be")
def test_a_bad_input_is_one_line_with_a_remedy_and_changes_nothing(area, environ, tmp_path):
    found = faults(AREAS[area], tmp_path, environ)
    assert not found, "\n".join(f"{name}: {wrong}" for name, wrong in found.items())


def test_every_setting_has_bad_values():
    assert set(settings.BAD) == set(Settings.model_fields)
    assert all(len({value for value, _ in values}) >= 2 for values in settings.BAD.values())


def test_a_bad_setting_makes_no_home(environ, tmp_path):
    home = tmp_path / "home"
    answer = elt(("status",), environ | {"ELT_HOME": str(home), "SINK_PORT": "http"}, tmp_path / ".env")
    assert answer.code == 2 and not home.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("connectors", ("connectors", "install", "web-events")),
        ("logs", ("up", "sink")),
        ("run", ("up", "sink")),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_named(name, words, environ, tmp_path):
    where = place(tmp_path, environ)
    (where.home / name).touch()
    answer = elt(words, where.environ, where.env_file)
    assert answer.code == 2 and answer.err.startswith(f"elt: {where.home / name}: File exists — ")
    assert answer.err.count("\n") == 1


def test_the_table_of_bad_inputs_is_what_the_tests_try():
    assert bad_inputs.page() == bad_inputs.PAGE.read_text(), "run `python -m tests.bad_inputs`"
    assert sum(map(len, bad_inputs.by_area().values())) >= 250
