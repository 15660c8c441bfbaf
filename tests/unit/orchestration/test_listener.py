"""When a run starts because the source has changed: what the listener decides, and what its trigger says."""

import asyncio

import pytest
import structlog
from airflow._shared.module_loading import import_string

from foundation.errors import EltError
from foundation.settings import load_settings
from orchestration import listener
from orchestration.listener import Listener, Look, Runs, SourceChanges, when_changed

IDLE, ACTIVE = Runs(0, 0, 5), Runs(1, 0, 5)


def asks(looks, runs=IDLE, known=None):
    """Which of these looks a run is asked for, with the same runs at each or one of a list."""
    every = runs if isinstance(runs, list) else [runs] * len(looks)
    made = known or Listener()
    return [made.saw(look) and made.due(look, now) for look, now in zip(looks, every, strict=True)]


def test_one_run_is_asked_for_when_rows_were_written_and_none_for_what_else_fills_the_log():
    quiet, later = Look("10 rows", 100, 100), Look("10 rows", 900, 100)
    changed, the_same = Look("11 rows", 950, 100), Look("11 rows", 990, 100)
    assert asks([quiet, later, changed, the_same]) == [False, False, True, False]


def test_a_source_that_no_sync_has_read_is_listened_to_as_well():
    assert asks([Look("10 rows", 100, None), Look("11 rows", 120, None)]) == [False, True]


def test_what_a_sync_has_brought_needs_no_run():
    assert asks([Look("10 rows", 100, 90), Look("11 rows", 120, 120)]) == [False, False]


def test_changes_during_a_run_wait_for_its_sync_and_then_for_the_run_only_if_it_has_not_brought_them():
    begun, during = Look("10 rows", 100, 90), Look("11 rows", 120, 90)
    assert asks([begun, during, Look("11 rows", 130, 125)], ACTIVE) == [False, False, False]
    assert asks([begun, during, Look("12 rows", 140, 130)], ACTIVE) == [False, False, True]
    assert asks([begun, during, during], [ACTIVE, ACTIVE, IDLE]) == [False, False, True]


def test_after_a_run_that_failed_the_listener_waits_for_one_that_succeeds():
    looks = [Look(f"{rows} rows", 100 * rows, 0) for rows in range(6)]
    runs = [IDLE, IDLE, Runs(0, 1, 5), Runs(0, 1, 5), Runs(0, 1, 6), Runs(0, 1, 7)]
    assert asks(looks, runs) == [False, True, False, False, True, True]


def test_the_removal_of_old_runs_hides_no_success():
    looks = [Look(f"{rows} rows", 100 * rows, 0) for rows in range(5)]
    runs = [IDLE, IDLE, Runs(0, 1, 5), Runs(0, 1, 2), Runs(0, 1, 3)]
    assert asks(looks, runs) == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 2.0),
        ({"ELT_LISTEN_SECONDS": "0.5"}, 0.5),
        ({"ELT_LISTEN_SECONDS": "0"}, None),
        ({"DBT_TARGET": "snowflake"}, None),  # which bills each run
        ({"DBT_TARGET": "snowflake", "ELT_LISTEN_SECONDS": "60"}, 60.0),
    ],
)
def test_settings_say_how_often_the_source_is_looked_at_if_at_all(tmp_path, given, seconds):
    found = when_changed("elt", load_settings({"ELT_HOME": str(tmp_path), **given}))
    if seconds is None:
        assert found == "*/15 * * * *"
    else:
        [asset] = found.asset_condition.objects
        assert [watcher.trigger.seconds for watcher in asset.watchers] == [seconds]
    assert (
        when_changed("elt", load_settings({"ELT_HOME": str(tmp_path), **given, "ELT_SCHEDULE": "manual"}))
        is None
    )


@pytest.fixture
def said():
    """What the triggerer's log gets."""
    with structlog.testing.capture_logs() as entries:
        yield lambda: [entry["event"] % entry.get("positional_args", ()) for entry in entries]


def test_a_source_that_is_away_is_one_line_in_the_log_and_one_when_it_is_back(monkeypatch, said):
    away = EltError("PostgreSQL at db:5432: Connection refused", "start the database")
    answers = iter(
        [
            Look("10 rows", 90, 90),
            away,
            away,
            away,
            Look("10 rows", 100, 90),
            Look("11 rows", 110, 90),
            away,
            away,
        ]
    )

    def look(settings):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    class Airflow:
        def get_dr_count(self, dag_id, states):
            assert dag_id == "elt"
            return 0

    monkeypatch.setattr(listener, "look", look)
    monkeypatch.setattr(listener, "RuntimeTaskInstance", Airflow())
    place, arguments = SourceChanges("elt", 0.0).serialize()

    async def first():
        return await anext(import_string(place)(**arguments).run())

    event = asyncio.run(asyncio.wait_for(first(), 30))
    assert event.payload == {"source": "changed"}
    well = "listening: changes start elt"
    refused = "not listening: PostgreSQL at db:5432: Connection refused — start the database"
    assert said() == [well, refused, well]
