"""Publishing: whole versions behind one link, whatever readers, writers and kills do meanwhile."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from foundation.errors import EltError
from foundation.lease import RESERVED_SECONDS, WarehouseInUseError, acquire, lease
from foundation.settings import load_settings
from orchestration import steps
from orchestration.publish import (
    HeldError,
    give_back,
    held,
    on_duckdb,
    prepare,
    publish,
    resume,
    rollback,
    versions,
)
from tests.fixtures import warm
from tests.fixtures.small_disk import read_only
from transformation.request import NOTHING, VARIABLE, BuildRequest
from transformation.results import artifacts_path

pytestmark = pytest.mark.promise

ODD = '"dim ""odd"""'  # a quoted identifier, as SQL writes it


@pytest.fixture
def config(tmp_path):
    """Settings of an ELT_HOME (with a space) whose warehouse holds marts: `fct` with 1000 rows of generation 1."""
    settings = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    build(settings, 1)
    return settings


def build(settings, generation, rows=1_000):
    """What dbt leaves: tables of marts that all carry the generation, and things that are nobody's business."""
    settings.home.mkdir(exist_ok=True)
    with duckdb.connect(settings.warehouse_path) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute("create schema if not exists staging")
        connection.execute("create or replace table staging.secret as select 1 as id")
        connection.execute(
            f"create or replace table marts.fct as select range as id, {generation} as generation,"
            f" (range * 1.5)::decimal(18, 6) as amount from range({rows})"
        )
        connection.execute(f"create or replace table marts.{ODD} as select {generation} as generation")
        connection.execute("comment on table marts.fct is 'it''s a fact'")
        connection.execute("comment on column marts.fct.amount is 'in USD'")
        connection.execute("create or replace view marts.not_a_table as select 1 as id")
        connection.execute("comment on column marts.not_a_table.id is 'of a view'")


def read(settings, query):
    with duckdb.connect(settings.serving_path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_a_version_holds_the_tables_of_marts_and_nothing_else(config):
    version = publish(config, "run 1")
    assert version.tables == {"fct": 1_000, 'dim "odd"': 1}
    assert version.rows == 1_001
    found = read(
        config,
        "select schema_name, table_name from duckdb_tables() union all"
        " select schema_name, view_name from duckdb_views() where not internal",
    )
    assert sorted(found) == [("marts", 'dim "odd"'), ("marts", "fct")]
    assert read(config, "select sum(amount) from marts.fct")[0][0] == 749_250
    assert read(config, "select comment from duckdb_tables() where table_name = 'fct'") == [("it's a fact",)]
    assert read(config, "select column_name, comment from duckdb_columns() where comment is not null") == [
        ("amount", "in USD")
    ]


def test_what_the_marts_were_built_from_travels_with_them_but_is_not_counted(config):
    def noted(day):
        with duckdb.connect(config.warehouse_path) as connection:
            connection.execute(
                f"create or replace table marts.built_from as select 'day' as name, '{day}' as version"
            )

    def found():
        with duckdb.connect(config.warehouse_path, read_only=True) as connection:
            return connection.execute("select version from marts.built_from").fetchall()

    noted("Monday")
    assert publish(config, "run 1").tables == {"fct": 1_000, 'dim "odd"': 1}
    assert read(config, "from marts.built_from") == [("day", "Monday")]
    prepare(config, "elt run 2")
    build(config, 2)
    noted("Tuesday")
    give_back(config, "elt run 2")  # it could not be published
    assert "put back 2 published marts" in prepare(config, "elt run 3")
    assert found() == [("Monday",)]
    build(config, 3)
    noted("Wednesday")
    publish(config, "run 3", prepared="elt run 3")
    rollback(config)
    prepare(config, "elt run 4")
    assert found() == [("Monday",)]


def test_the_last_three_versions_stay_and_the_newest_is_shown(config):
    for generation in range(1, 6):
        build(config, generation)
        publish(config, f"run {generation}")
    kept = versions(config)
    assert [(v.number, v.run, v.current) for v in kept] == [
        (3, "run 3", False),
        (4, "run 4", False),
        (5, "run 5", True),
    ]
    serving = config.serving_path.parent.parent
    assert sorted(path.name for path in serving.glob("[!.]*")) == ["current", "v3", "v4", "v5"]
    assert (serving / "current").is_symlink()
    assert read(config, "select distinct generation from marts.fct") == [(5,)]


def test_of_each_of_the_last_seven_days_a_version_stays_and_of_older_ones_none(config):
    def aged(number, **ago):
        record = config.serving_path.parent.parent / f"v{number}" / "published.json"
        moment = (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        record.write_text(json.dumps(json.loads(record.read_text()) | {"published_at": moment}))

    # two of each day, the oldest first
    for number, days in enumerate([9, 9, 7, 7, 6, 6, 2, 2, 1, 1], 1):
        publish(config, f"run {number}")
        aged(number, days=days)
    publish(config, "run 11")
    assert [v.number for v in versions(config)] == [6, 8, 9, 10, 11]
    rollback(config, 6)
    aged(6, days=8)
    resume(config)
    (config.serving_path.parent.parent / "v8" / "published.json").write_text(
        "{"
    )  # the folder's own time counts then
    assert publish(config, "run 12").number == 12
    assert not (config.serving_path.parent.parent / "v6").exists()  # it is shown no more


def test_a_reader_in_mid_query_finishes_on_the_version_that_it_began(config):
    publish(config, "run 1")
    with duckdb.connect(config.serving_path, read_only=True) as reader:
        cursor = reader.execute("select generation from marts.fct")
        assert cursor.fetchone() == (1,)
        for generation in range(2, 6):  # the reader's version is removed meanwhile
            build(config, generation)
            publish(config, f"run {generation}")
        assert {generation for (generation,) in cursor.fetchall()} == {1}
        assert reader.execute("select max(generation) from marts.fct").fetchone() == (1,)
    assert read(config, "select max(generation) from marts.fct") == [(5,)]


def test_readers_always_see_one_whole_version_while_versions_come(config):
    publish(config, "run 1")
    stop, seen, problems = threading.Event(), set(), []

    def look():
        while not stop.is_set():
            try:
                seen.update(
                    read(
                        config,
                        "select (select min(generation) from marts.fct), (select max(generation) from marts.fct),"
                        f" (select generation from marts.{ODD})",
                    )
                )
            except duckdb.Error as error:
                problems.append(repr(error))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for generation in range(2, 12):
        build(config, generation)
        publish(config, f"run {generation}")
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert len(seen) > 1 and all(low == high == dim for low, high, dim in seen)


def test_after_each_step_on_the_disk_one_whole_version_is_shown(config, monkeypatch):
    """Readers come at moments that are too short for threads to meet."""
    publish(config, "run 1")
    build(config, 2)
    shown = []

    def followed_by_a_look(step):
        def stepped(*arguments, **options):
            done = step(*arguments, **options)
            shown.extend(
                read(config, f"select distinct generation, (select count(*) from marts.{ODD}) from marts.fct")
            )
            return done

        return stepped

    steps = [(Path, name) for name in ("mkdir", "write_text", "unlink", "symlink_to", "rename", "replace")]
    for owner, name in [*steps, (on_duckdb, "_copy")]:
        monkeypatch.setattr(owner, name, followed_by_a_look(getattr(owner, name)))
    publish(config, "run 2")
    assert len(shown) >= 6 and shown == sorted(shown) and set(shown) == {(1, 1), (2, 1)}


PUBLISH = """
import sys
from foundation.settings import settings
from orchestration.publish import publish
print(publish(settings(), sys.argv[1]).number)
"""


def start_publish(settings, run):
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH, run],
        env=os.environ | {"ELT_HOME": str(settings.home)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_kill_in_the_middle_leaves_the_old_version_and_the_next_publish_clears_up(config):
    publish(config, "run 1")
    build(config, 2, rows=20_000_000)
    serving = config.serving_path.parent.parent
    process = start_publish(config, "run 2")
    while not list(serving.glob(".draft-*/adventureworks.duckdb*")):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    assert [v.number for v in versions(config)] == [1]
    assert list(serving.glob(".draft-*"))

    build(config, 3)
    assert publish(config, "run 3").number == 2
    assert read(config, "select distinct generation from marts.fct") == [(3,)]
    assert not list(serving.glob(".draft-*"))


def test_a_kill_between_the_new_version_and_the_switch_shows_the_old_one(config, monkeypatch):
    publish(config, "run 1")
    build(config, 2)

    replace = Path.replace

    def killed(self, target):
        if self.name == ".current.new":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(config, "run 2")
    monkeypatch.undo()
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    assert publish(config, "run 3").number == 3
    assert read(config, "select distinct generation from marts.fct") == [(2,)]


def test_publishes_at_once_come_one_after_the_other(config):
    processes = [start_publish(config, f"run {number}") for number in range(3)]
    numbers = sorted(int(process.communicate(timeout=120)[0]) for process in processes)
    assert numbers == [1, 2, 3]
    assert [v.number for v in versions(config) if v.current] == [3]


def test_it_waits_for_the_writer_and_names_it(config):
    with lease(config.warehouse_path, "sync job 12"), pytest.raises(WarehouseInUseError, match="sync job 12"):
        publish(config, "run 1", wait_seconds=0.2)
    assert versions(config) == []


@pytest.mark.parametrize("missing", ["warehouse", "marts"])
def test_nothing_built_is_said_so_and_the_old_version_stays(config, missing):
    publish(config, "run 1")
    config.warehouse_path.unlink()
    if missing == "marts":
        with duckdb.connect(config.warehouse_path) as connection:
            connection.execute("create schema marts")
    with pytest.raises(EltError, match="elt build"):
        publish(config, "run 2")
    assert read(config, "select count(*) from marts.fct") == [(1_000,)]
    assert not list(config.serving_path.parent.parent.glob(".draft-*"))


def test_a_disk_that_fails_is_one_line_with_a_remedy(config):
    publish(config, "run 1")
    config.warehouse_path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(EltError, match="the last version is still shown") as caught:
        publish(config, "run 2")
    assert "\n" not in str(caught.value)
    assert read(config, "select count(*) from marts.fct") == [(1_000,)]


def test_a_folder_that_can_only_be_read_is_one_line_with_a_remedy(config):
    """Also where a publish that was killed has left its draft."""
    publish(config, "run 1")
    serving = config.serving_path.parent.parent
    (serving / ".draft-1").mkdir()
    with read_only(serving), pytest.raises(EltError, match="the last version is still shown") as caught:
        publish(config, "run 2")
    assert "\n" not in str(caught.value)
    assert read(config, "select count(*) from marts.fct") == [(1_000,)]


def test_a_target_without_a_publisher_is_refused(tmp_path):
    settings = load_settings({"ELT_HOME": str(tmp_path), "DBT_TARGET": "dev"})
    with pytest.raises(EltError, match="nothing is published from the dbt target dev"):
        publish(settings, "run 1")


# ---------------------------------------------------------------------------------------------------- a run


def marts_of(settings):
    with duckdb.connect(settings.warehouse_path, read_only=True) as connection:
        return dict(
            connection.execute(
                "select table_name, estimated_size from duckdb_tables() where schema_name = 'marts'"
            ).fetchall()
        ), (connection.execute("select max(generation) from marts.fct").fetchone()[0])


def test_a_run_that_published_leaves_the_marts_as_they_are_for_the_next(config):
    assert "nothing is published yet" in prepare(config, "elt run 1")
    build(config, 1)
    publish(config, "run 1", prepared="elt run 1")
    assert prepare(config, "elt run 2") == "the marts are as published"
    give_back(config, "elt run 2")


def test_after_a_run_that_published_nothing_the_next_builds_on_what_is_published(config):
    publish(config, "run 1")
    prepare(config, "elt run 2")
    build(config, 2, rows=50)
    with duckdb.connect(config.warehouse_path) as connection:
        connection.execute("create table marts.of_the_failed_run as select 1 as id")
    give_back(config, "elt run 2")  # a test failed
    assert "put back 2 published marts" in prepare(config, "elt run 3")
    tables, generation = marts_of(config)
    assert tables == {"fct": 1_000, 'dim "odd"': 1} and generation == 1


def test_from_prepare_to_publish_nobody_else_gets_the_warehouse(config):
    prepare(config, "elt run 1")
    with pytest.raises(WarehouseInUseError, match="the run elt run 1"):
        acquire(config.warehouse_path, "sync job 12", wait_seconds=0.2)
    with pytest.raises(WarehouseInUseError, match="the run elt run 1"):
        prepare(config, "full_refresh run 1", wait_seconds=0.2)
    with pytest.raises(WarehouseInUseError, match="the run elt run 1"):
        publish(config, "elt publish", wait_seconds=0.2)
    publish(config, "run 1", prepared="elt run 1")
    with lease(config.warehouse_path, "sync job 12", wait_seconds=0):
        pass


def test_a_run_that_lost_the_warehouse_between_test_and_publish_publishes_nothing(config):
    publish(config, "run 1")
    prepare(config, "elt run 2")
    build(config, 2)
    past = time.time() - RESERVED_SECONDS - 1  # the machine slept; then somebody came
    os.utime(config.warehouse_path.with_name("warehouse.duckdb.reserved.json"), (past, past))
    with lease(config.warehouse_path, "dbt build"):
        pass
    with pytest.raises(EltError, match="another writer had the warehouse"):
        publish(config, "run 2", prepared="elt run 2")
    assert read(config, "select distinct generation from marts.fct") == [(1,)]


# ---------------------------------------------------------------------------------------------------- rollback


def test_a_rollback_shows_the_version_before_and_holds_it_until_it_is_resumed(config):
    for generation in (1, 2):
        build(config, generation)
        publish(config, f"run {generation}")
    assert rollback(config).number == 1
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    assert held(config).number == 1
    build(config, 3)
    with pytest.raises(EltError, match=r"version 1 is held since .* — `elt publish --resume`"):
        publish(config, "run 3")
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    resume(config)
    # what was rolled back is not built upon
    assert "put back 2 published marts" in prepare(config, "elt run 4")
    assert marts_of(config)[1] == 1
    build(config, 4)
    assert publish(config, "run 4", prepared="elt run 4").number == 3
    assert read(config, "select distinct generation from marts.fct") == [(4,)]


def test_a_rollback_works_at_once_whoever_has_the_warehouse(config):
    for generation in (1, 2):
        build(config, generation)
        publish(config, f"run {generation}")
    prepare(config, "elt run 3")
    with lease(config.warehouse_path, "dbt build", run="elt run 3"):
        assert rollback(config, wait_seconds=0).number == 1
    assert read(config, "select distinct generation from marts.fct") == [(1,)]


def test_a_run_that_built_on_what_was_rolled_back_publishes_nothing(config):
    for generation in (1, 2):
        build(config, generation)
        publish(config, f"run {generation}")
    prepare(config, "elt run 3")
    build(config, 3)
    rollback(config)
    with pytest.raises(HeldError, match="version 1 is held"):
        publish(config, "run 3", prepared="elt run 3")
    resume(config)
    with pytest.raises(EltError, match="a rollback has changed what is shown since this run began"):
        publish(config, "run 3", prepared="elt run 3")
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    give_back(config, "elt run 3")
    assert "put back" in prepare(config, "elt run 4")
    assert marts_of(config)[1] == 1


def test_a_rollback_while_the_marts_are_copied_is_not_undone_by_their_publishing(config, monkeypatch):
    for generation in (1, 2, 3):
        build(config, generation)
        if generation < 3:
            publish(config, f"run {generation}")
    copy = on_duckdb._copy

    def rolled_back_meanwhile(*arguments):
        rollback(config)
        return copy(*arguments)

    monkeypatch.setattr(on_duckdb, "_copy", rolled_back_meanwhile)
    with pytest.raises(HeldError):
        publish(config, "run 3")
    assert read(config, "select distinct generation from marts.fct") == [(1,)]
    assert [v.number for v in versions(config)] == [1, 2]


# ---------------------------------------------------------------------------------------------------- what a run publishes


@pytest.fixture
def step(config, monkeypatch):
    """A call that runs the task `publish` of a run whose dbt has ended with such results; what it returned, what it left as XCom."""
    monkeypatch.setattr(steps, "settings", lambda: config)

    def run(unchanged=False, **results):
        told = {}
        select, built_from = ((NOTHING,), {"project": "1"}) if unchanged else (("fct_sales",), {})
        asked = BuildRequest(select=select, built_from=built_from).variables()[VARIABLE]
        ti = SimpleNamespace(
            xcom_push=lambda key, value: told.update({key: value}), xcom_pull=lambda task_ids, key: asked
        )
        context = {"ti": ti, "run_id": "run 9", "dag": SimpleNamespace(dag_id="elt")}
        artifact = {"metadata": {"env": {"RUN_ID": "run 9"}}, "results": []}
        artifact["results"] = [
            {"unique_id": f"{kind}.adventureworks.x", "status": "success"} for kind in results
        ]
        if not unchanged:
            artifacts_path(config).mkdir(parents=True, exist_ok=True)
            (artifacts_path(config) / "run_results.json").write_text(json.dumps(artifact))
        return steps.publish(context), told

    return run


def test_a_run_that_built_nothing_publishes_nothing_and_the_next_builds_on_what_is_there(config, step):
    assert prepare(config, "elt run 9")
    assert step(seed=1) == (1, {})  # nothing was shown yet
    prepare(config, "elt run 9")
    assert step(seed=1) == (None, {"unchanged": 1})
    prepare(config, "elt run 9")
    (artifacts_path(config) / "run_results.json").unlink()
    assert step(unchanged=True) == (None, {"unchanged": 1})  # dbt did not run
    assert [v.number for v in versions(config)] == [1]
    with lease(config.warehouse_path, "sync job 12", wait_seconds=0):
        pass
    assert prepare(config, "elt run 9") == "the marts are as published"
    build(config, 2)
    assert step(seed=1, model=1) == (2, {})


def test_while_a_rollback_holds_a_run_succeeds_and_tells_which_version(config, step):
    for generation in (1, 2):
        build(config, generation)
        publish(config, f"run {generation}")
    prepare(config, "elt run 9")
    rollback(config)
    assert step(model=1) == step(seed=1) == (None, {"held": 1})


def test_a_rollback_to_what_is_not_kept_is_refused_and_nothing_is_held(config):
    with pytest.raises(EltError, match="there is no earlier version"):
        rollback(config)
    publish(config, "run 1")
    with pytest.raises(EltError, match="version 7 is not kept — kept are: 1"):
        rollback(config, 7)
    assert held(config) is None


def test_what_waited_for_the_warehouse_looks_again_at_what_is_kept_and_held(config):
    """The versions and the hold may be others by the time that the lease is free."""
    for number in range(1, 5):
        publish(config, f"run {number}")
    with pytest.raises(EltError, match=r"version 1 is not kept — kept are: 2, 3, 4"):
        on_duckdb.rollback(config, 1, 1)
    assert held(config) is None
    assert [each.number for each in versions(config) if each.current] == [4]
    rollback(config)
    with pytest.raises(EltError, match="version 3 is held"):
        on_duckdb.publish(config, "run 5", 1, None)
    assert [each.number for each in versions(config) if each.current] == [3]


def test_an_erasure_replaces_each_kept_version_that_holds_the_person_and_a_held_one_stays_held(config):
    for generation in (1, 2, 3):
        build(config, generation)
        publish(config, f"run {generation}")
    rollback(config, 2)

    def wanted(file):
        with duckdb.connect(file, read_only=True) as duck:
            return duck.execute("select max(generation) > 1 from marts.fct").fetchone()[0]

    def change(file, version):
        with duckdb.connect(file) as duck:
            duck.execute("update marts.fct set generation = -generation")
        if version == "v3":
            rollback(config, 1)  # whoever holds the lease, a rollback does not wait

    done = on_duckdb.replace_versions(config, wanted, change)
    assert list(done) == ["v2", "v3"]
    assert [(v.number, v.current) for v in versions(config)] == [(1, True), (3, False), (4, False)]
    assert held(config).number == 1 and rollback(config, 4).number == 4
    assert read(config, "select distinct generation from marts.fct") == [(-2,)]
    assert rollback(config, 3).number == 3
    assert read(config, "select distinct generation from marts.fct") == [(-3,)]


def test_elt_publish_and_its_list(config):
    def elt(*arguments):
        return warm.run(
            "elt",
            "publish",
            *arguments,
            environ=os.environ | {"ELT_HOME": str(config.home)},
        )

    assert "nothing is published yet" in elt("--list").stdout
    done = elt()
    assert done.returncode == 0 and done.stdout.startswith("version 1: 2 tables, 1,001 rows")
    listing = elt("--list").stdout
    assert "v1" in listing and "elt publish" in listing and "← current" in listing

    assert elt().returncode == 0
    back = elt("--rollback")
    assert back.returncode == 0 and back.stdout.startswith("version 1 is shown, and held")
    assert "← current, held" in elt("--list").stdout
    refused = elt()
    assert refused.returncode == 2 and "held since" in refused.stderr
    told = json.loads(elt("--list", "--json").stdout)
    assert [(v["number"], v["current"], v["rows"]) for v in told["versions"]] == [
        (1, True, 1_001),
        (2, False, 1_001),
    ]
    assert told["held"]["number"] == 1
    assert elt("--rollback", "2").stdout.startswith("version 2 is shown")
    assert elt("--resume").returncode == 0 and elt().stdout.startswith("version 3")
    assert elt("--resume", "--list").returncode == 2
