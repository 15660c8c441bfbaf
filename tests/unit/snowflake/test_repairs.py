"""What the emulator does as Snowflake does it, where bare fakesnow does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from snowflake.connector.errors import DatabaseError

from tests.fixtures.snowflake import Snowflake
from tests.unit.snowflake.conftest import Session


def test_ddl_commits_the_open_transaction(session: Session) -> None:
    session.run(
        "create table t (a int)", "begin", "insert into t values (1)", "create table u (a int)", "rollback"
    )
    assert session.run("select count(*) from t") == [(1,)]


def test_dml_is_rolled_back(session: Session) -> None:
    session.run("create table t (a int)", "begin", "insert into t values (1)", "rollback")
    assert session.run("select count(*) from t") == [(0,)]


def test_sum_of_decimals_is_exact(session: Session) -> None:
    session.run(
        "create table t (a number(18, 6))", "insert into t values (0.1), (0.2), (999999999999.000001)"
    )
    assert session.run("select sum(a) from t") == [(Decimal("999999999999.300001"),)]


def test_null_timestamp_stays_null(session: Session) -> None:
    assert session.run("select null::timestamp_ntz, 1") == [(None, 1)]


def test_date_stays_a_date(session: Session) -> None:
    found = session.run(
        "select date_trunc('month', '2025-02-03'::date), dateadd('day', 1, '2025-02-03'::date)"
    )
    assert found == [(date(2025, 2, 1), date(2025, 2, 4))]


def test_format_of_a_date_counts_when_only_the_table_knows_the_type(session: Session) -> None:
    session.run(
        "create table t (seen timestamp_ntz, day date)",
        "insert into t values ('1969-07-20 13:04:05.12', '2024-01-02'), (null, null)",
    )
    found = session.run(
        "select to_char(seen, 'YYYY-MM-DD HH24:MI:SS.FF6'), to_varchar(seen, 'DD.MM.YY'), to_char(day, 'YYYYMMDD') from t"
    )
    assert sorted(found, key=str) == [
        ("1969-07-20 13:04:05.120000", "20.07.69", "20240102"),
        (None, None, None),
    ]


def test_merge_counts_rows_and_refuses_to_update_one_twice(session: Session) -> None:
    session.run("create table t (id int, a int)", "insert into t values (1, 1)")
    merge = (
        "merge into t using (select column1 as id, column2 as a from values {}) as s on t.id = s.id"
        " when matched then update set t.a = s.a when not matched then insert (id, a) values (s.id, s.a)"
    )
    assert session.run(merge.format("(1, 5), (2, 6)")) == [(1, 1)]
    with pytest.raises(DatabaseError, match="Duplicate row detected"):
        session.run(merge.format("(1, 7), (1, 8)"))
    assert session.run("select id, a from t order by id") == [(1, 5), (2, 6)]


def test_error_in_a_transaction_is_an_error_once_and_the_session_goes_on(session: Session) -> None:
    session.run("create table t (a int not null)", "begin")
    with pytest.raises(DatabaseError, match="NULL result in a non-nullable column"):
        session.run("insert into t values (null)")
    session.run("insert into t values (1)", "commit")
    assert session.run("select a from t") == [(1,)]


def test_schemas_are_cloned_and_swapped_as_a_whole(session: Session, schema: str) -> None:
    session.run("create table t as select 1 as a", "create view v as select a from t")
    session.run(f"create schema {schema}_next clone {schema}", f"insert into {schema}_next.t values (2)")
    session.run(f"alter schema {schema} swap with {schema}_next")
    assert session.run(f"select count(*) from {schema}.t") == [(2,)]
    assert session.run(f"select count(*) from {schema}_next.t") == [(1,)]


def test_objects_of_another_database_are_described(session: Session) -> None:
    session.run(
        "create database if not exists elsewhere",
        "create or replace table elsewhere.public.t (a int, b varchar)",
    )
    described = session.run("describe table elsewhere.public.t")
    assert [row[0] for row in described] == ["A", "B"]
    with pytest.raises(DatabaseError, match="does not exist or not authorized"):
        session.run("describe table elsewhere.public.nothing")


def test_star_in_a_table_with_declared_columns(session: Session) -> None:
    session.run(
        "create table t (d number(38, 0), e varchar) as"
        " (select * from (select datediff('day', '2025-01-01'::date, '2025-01-03'::date), 'x' as other) order by (1))"
    )
    assert session.run("select d, e from t") == [(2, "x")]


def test_session_ends_with_its_temporary_tables_and_its_transaction(
    snowflake_emulator: Snowflake, session: Session, schema: str
) -> None:
    session.run("create table t (a int)")
    with snowflake_emulator.connect(database="UNIT") as connection:
        Session(connection).run(
            f"use schema {schema}", "create temporary table w (a int)", "begin", "insert into t values (1)"
        )
    assert session.run("select count(*) from t") == [(0,)]
    with pytest.raises(DatabaseError, match="does not exist"):
        session.run("select * from w")


def test_statements_are_listed_with_their_tag_and_transaction(
    snowflake_emulator: Snowflake, session: Session, schema: str
) -> None:
    session.run("alter session set query_tag = 'mine'", "create table t (a int)", "begin")
    session.run("insert into t values (41)", "commit")
    (insert,) = [
        each
        for each in snowflake_emulator.statements()
        if "values (41)" in each["sql"] and each["query_tag"] == "mine"
    ]
    assert insert["in_transaction"]


def test_transactions_are_shown_by_name_and_can_be_aborted_by_another_session(
    session: Session, other: Session
) -> None:
    session.run("create table t (a int)", "begin name mine", "insert into t values (1)")
    (shown,) = [row for row in other.run("show transactions") if row[3] == "MINE"]
    other.run(f"select system$abort_transaction({shown[0]})")
    assert [row for row in other.run("show transactions") if row[3] == "MINE"] == []
    assert session.run("select count(*) from t") == [(0,)]


def test_a_statements_own_tag_goes_before_the_sessions(
    snowflake_emulator: Snowflake, session: Session
) -> None:
    session.run("alter session set query_tag = 'the session'")
    session.connection.cursor().execute("select 4711", _statement_params={"QUERY_TAG": "the statement"})
    session.run("select 4712")
    tags = {each["sql"]: each["query_tag"] for each in snowflake_emulator.statements()}
    assert (tags["select 4711"], tags["select 4712"]) == ("the statement", "the session")


def test_databases_in_a_directory_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("kept")
    kept = Snowflake(home, database_path=home / "databases")
    for expected in (1, 2):
        kept.start()
        try:
            with kept.connect(database="KEPT") as connection:
                found = Session(connection).run(
                    "create table if not exists public.t (a number(10, 2))",
                    "insert into public.t values (1.25)",
                    "select count(*) from public.t",
                )
                assert found == [(expected,)]
        finally:
            kept.stop()


@pytest.mark.parametrize(
    "asked", ["1 not in (select a from t)", "case when exists (select 1 from t) then 1 end"]
)
def test_membership_in_a_query_is_asked_in_conditions_only(session: Session, asked: str) -> None:
    session.run("create table t (a int)", "insert into t values (2)")
    with pytest.raises(DatabaseError, match="Unsupported subquery type"):
        session.run(f"select {asked} from t")
    assert session.run(f"select a from (select a from t where {asked} is not null)") == [(2,)]


@pytest.mark.parametrize("division", ["1 / 0", "a / b", "1.5::number(18, 4) / (a - a)", "sum(a) / sum(b)"])
def test_division_by_zero_is_an_error(session: Session, division: str) -> None:
    session.run("create table t (a number(18, 4), b int)", "insert into t values (1, 0)")
    with pytest.raises(DatabaseError, match="Division by zero"):
        session.run(f"select {division} from t")
    assert session.run("select a / nullif(b, 0), 6 / 3 from t") == [(None, 2.0)]


def test_time_as_text_has_three_decimals_unless_a_format_says_more(session: Session) -> None:
    session.run(
        "create table t (a timestamp_ntz, b date, c timestamp_tz, d number(18, 4))",
        "insert into t values ('2024-01-02 03:04:05.678901', '2024-01-02', '2024-01-02 03:04:05+00:00', 1.5)",
    )
    (found,) = session.run(
        "select cast(a as varchar), a::varchar, to_varchar(a), b::varchar, c::varchar, d::varchar,"
        " to_char(a, 'YYYY-MM-DD HH24:MI:SS.FF6'), null::varchar, 'x'::varchar from t"
    )
    milliseconds = "2024-01-02 03:04:05.678"
    assert found == (
        *[milliseconds] * 3,
        "2024-01-02",
        "2024-01-02 03:04:05.000 +0000",
        "1.5000",
        "2024-01-02 03:04:05.678901",
        None,
        "x",
    )
