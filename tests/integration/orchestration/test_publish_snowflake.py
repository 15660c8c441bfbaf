"""Publishing on the emulated Snowflake: clone, build, swap; the lease, the hold, and kills between any two statements.

Where the emulator is not Snowflake (tests/snowflake/README.md): grants are accepted without effect, so that which role may read
what is shown here only by the statements and their order: on MARTS_NEXT, before the swap, with which a real account's grants go.
"""

import pytest
import snowflake.connector

from foundation.errors import EltError
from foundation.lease import WarehouseInUseError
from foundation.settings import load_settings
from orchestration.publish import (
    give_back,
    held,
    leave,
    on_snowflake,
    prepare,
    publish,
    renew,
    resume,
    rollback,
    versions,
)


@pytest.fixture
def config(snowflake_emulator, tmp_path, request):
    """Settings of a deployment whose database is a new one on the emulator."""
    database = f"PUBLISH_{abs(hash(request.node.name))}"
    settings = load_settings(
        {
            "ELT_HOME": str(tmp_path),
            "DBT_TARGET": "ci",
            "SNOWFLAKE_EMULATOR_PORT": str(snowflake_emulator.port),
            "SNOWFLAKE_DATABASE": database,
        }
    )

    def ask(statement):
        with snowflake_emulator.connect(database=database) as session:
            return session.cursor().execute(statement).fetchall()

    # next to the settings, for the tests
    object.__setattr__(settings, "ask", ask)
    object.__setattr__(settings, "database", database)
    return settings


def build(config, generation, rows=3):
    """What dbt leaves in MARTS_NEXT, which a clone has filled already."""
    config.ask("create table if not exists MARTS_NEXT.FCT (ID int, GENERATION int)")
    config.ask(f"update MARTS_NEXT.FCT set GENERATION = {generation}")
    config.ask(
        f"insert into MARTS_NEXT.FCT select SEQ4(), {generation} from table(generator(rowcount => {rows}))"
    )
    config.ask(f"create or replace table MARTS_NEXT.DIM as select {generation} as GENERATION")


def run(config, number, rows=3):
    prepare(config, f"elt run {number}")
    build(config, number, rows)
    return publish(config, f"run {number}", prepared=f"elt run {number}")


def shown(config):
    return config.ask("select min(GENERATION), max(GENERATION), count(*) from MARTS.FCT")


def schemas(config):
    rows = config.ask(
        "select distinct TABLE_SCHEMA from INFORMATION_SCHEMA.TABLES where TABLE_SCHEMA like 'MARTS%'"
    )
    return sorted(schema for (schema,) in rows)


def test_a_run_builds_on_a_clone_of_what_is_shown_and_swaps_it_in(config):
    assert "nothing is published yet" in prepare(config, "elt run 1")
    build(config, 1)
    assert config.ask("select count(*) from INFORMATION_SCHEMA.TABLES where TABLE_SCHEMA = 'MARTS'") == [(0,)]
    version = publish(config, "run 1", prepared="elt run 1")
    assert (version.number, version.tables, version.current) == (1, {"dim": 1, "fct": 3}, True)
    assert prepare(config, "elt run 2") == "MARTS_NEXT is a clone of version 1"
    build(config, 2)
    assert shown(config) == [(1, 1, 3)]  # analysts see nothing of it
    publish(config, "run 2", prepared="elt run 2")
    assert shown(config) == [(2, 2, 6)]


@pytest.mark.slow
def test_the_last_three_versions_stay_the_old_ones_under_the_name_of_their_run(config):
    for number in range(1, 6):
        run(config, number)
    assert [(v.number, v.run, v.current) for v in versions(config)] == [
        (3, "run 3", False),
        (4, "run 4", False),
        (5, "run 5", True),
    ]
    assert schemas(config) == ["MARTS", "MARTS_RUN_3_V3", "MARTS_RUN_4_V4"]


def test_a_run_that_built_nothing_leaves_what_is_shown_and_the_lease(config):
    run(config, 1)
    prepare(config, "elt run 2")
    assert leave(config, "elt run 2").number == 1
    assert schemas(config) == ["MARTS"] and shown(config)[0][0] == 1
    assert prepare(config, "elt run 3") == "MARTS_NEXT is a clone of version 1"
    with pytest.raises(EltError, match="a rollback has changed what is shown"):
        leave(config, "elt run 2")  # the lease is another run's


@pytest.mark.slow
def test_what_the_marts_were_built_from_travels_with_them_but_is_not_counted(config):
    def noted(number):
        config.ask(
            f"create or replace table MARTS_NEXT.BUILT_FROM as select 'day' as NAME, '{number}' as VERSION"
        )

    def found(schema):
        return config.ask(f"select VERSION from {schema}.BUILT_FROM")

    for number in (1, 2):
        prepare(config, f"elt run {number}")
        build(config, number)
        noted(number)
        version = publish(config, f"run {number}", prepared=f"elt run {number}")
        assert set(version.tables) == {"dim", "fct"}
    prepare(config, "elt run 3")
    assert found("MARTS_NEXT") == found("MARTS") == [("2",)]
    noted(3)
    give_back(config, "elt run 3")  # a test failed
    rollback(config)
    prepare(config, "elt run 4")
    assert found("MARTS_NEXT") == [("1",)]


def test_a_failed_build_is_forgotten_by_the_next_run(config):
    run(config, 1)
    prepare(config, "elt run 2")
    build(config, 2, rows=50)
    give_back(config, "elt run 2")  # a test failed
    assert shown(config) == [(1, 1, 3)]
    run(config, 3)
    assert shown(config) == [(3, 3, 6)]  # of 3 and 3 rows: none of the 50


def test_grants_are_given_before_the_swap_and_each_statement_is_one_of_its_own(config, snowflake_emulator):
    before = len(snowflake_emulator.statements())
    run(config, 1)
    statements = snowflake_emulator.statements()[before:]
    said = [statement["sql"].lower() for statement in statements]
    [swap] = [n for n, sql in enumerate(said) if "swap with" in sql]
    grants = [n for n, sql in enumerate(said) if sql.startswith("grant")]
    assert len(grants) == 2 and max(grants) < swap
    assert all("marts_next" in said[n] and "reporter" in said[n] for n in grants)
    assert not any(statement["in_transaction"] for statement in statements)  # DDL would commit it


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    ["create or replace transient table", "alter schema", 'create or replace transient schema "MARTS_'],
)
def test_a_kill_before_any_step_of_publishing_leaves_one_whole_version_and_the_next_run_is_right(
    config, monkeypatch, moment
):
    run(config, 1)
    run(config, 2)
    prepare(config, "elt run 3")
    build(config, 3)
    ask = on_snowflake._ask

    def killed(session, query, *values):
        if query.startswith(moment):
            raise KeyboardInterrupt
        return ask(session, query, *values)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(on_snowflake, "_ask", killed)
        publish(config, "run 3", prepared="elt run 3")
    low, high, _ = shown(config)[0]
    assert low == high and high in (2, 3)
    give_back(config, "elt run 3")
    run(config, 4)
    assert shown(config)[0][:2] == (4, 4)
    kept = [(v.number, v.run) for v in versions(config)]
    assert kept[0] == (2 if high == 3 else 1, f"run {2 if high == 3 else 1}") and len(kept) == 3


def test_one_run_at_a_time_has_the_lease_and_a_stale_one_is_over(config, monkeypatch):
    prepare(config, "elt run 1")
    with pytest.raises(WarehouseInUseError, match="in use by the run elt run 1"):
        prepare(config, "full_refresh run 1", wait_seconds=0)
    assert renew(config, "elt run 1")
    monkeypatch.setattr(on_snowflake, "RESERVED_SECONDS", -1.0)
    prepare(config, "full_refresh run 1", wait_seconds=0)
    assert not renew(config, "elt run 1")
    with pytest.raises(EltError, match="was not built by this run"):
        publish(config, "run 1", prepared="elt run 1")


def test_by_hand_nothing_is_published_that_no_run_has_built(config):
    run(config, 1)
    with pytest.raises(EltError, match="trigger a run"):
        publish(config, "elt publish")


def test_a_rollback_shows_the_version_before_and_holds_it(config):
    for number in (1, 2, 3):
        run(config, number)
    assert held(config) is None
    assert rollback(config).number == 2
    assert shown(config)[0][:2] == (2, 2)
    assert held(config).number == 2
    prepare(config, "elt run 4")
    with pytest.raises(EltError, match="version 2 is held"):
        publish(config, "run 4", prepared="elt run 4")
    give_back(config, "elt run 4")
    resume(config)
    run(config, 5)
    assert shown(config)[0][:2] == (5, 5)


def test_a_wrong_login_is_one_line(config, monkeypatch):
    monkeypatch.setattr(
        snowflake.connector,
        "connect",
        lambda **_: (_ for _ in ()).throw(snowflake.connector.DatabaseError("Incorrect\n login")),
    )
    with pytest.raises(EltError, match=r"Snowflake: .*Incorrect login") as caught:
        versions(config)
    assert "\n" not in str(caught.value)
