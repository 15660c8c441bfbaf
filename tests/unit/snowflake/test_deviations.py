"""Where the emulator is not Snowflake (tests/snowflake/README.md). One that fails means: mend the list, and what leans on it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import DatabaseError

from foundation.settings import ROOT
from tests.unit.snowflake.conftest import Session


def test_division_and_average_are_floats(session: Session) -> None:
    assert session.run("select 1::number(18, 4) / 3, avg(1::number(18, 4))") == [(1 / 3, 1.0)]


def test_names_are_not_case_sensitive(session: Session) -> None:
    with pytest.raises(DatabaseError):
        session.run('create table t ("a" int, A int)')


def test_length_of_text_is_not_enforced(session: Session) -> None:
    session.run("create table t (a varchar(2))", "insert into t values ('abc')")
    assert session.run("select a from t") == [("abc",)]


def test_error_loses_what_the_transaction_had_done(session: Session) -> None:
    session.run("create table t (a int not null)", "begin", "insert into t values (1)")
    with pytest.raises(DatabaseError):
        session.run("insert into t values (null)")
    session.run("commit")
    assert session.run("select count(*) from t") == [(0,)]  # Snowflake: 1


def test_temporary_tables_are_seen_by_others(session: Session, other: Session) -> None:
    session.run("create temporary table w (a int)")
    assert other.run("select count(*) from w") == [(0,)]


def test_grants_have_no_effect_and_are_not_recorded(session: Session, schema: str) -> None:
    session.run("create role if not exists reporter", f"grant usage on schema {schema} to role reporter")
    assert session.run(f"show grants on schema {schema}") == []


def test_keys_are_neither_enforced_nor_recorded(session: Session) -> None:
    session.run("create table t (a int primary key)", "insert into t values (1), (1)")
    assert session.run("select count(*) from t") == [(2,)]
    assert session.run("show primary keys in table t") == []


@pytest.mark.parametrize(
    "statement",
    [
        "create dynamic table t target_lag = '1 minute' warehouse = w as select 1 as a",
        "create function f(a int) returns int as 'a + 1'",
        "create stream s on table t",
        "create task t schedule = '1 minute' as select 1",
        "create database c clone unit",
    ],
)
def test_what_is_missing_says_so(session: Session, statement: str) -> None:
    with pytest.raises(DatabaseError):
        session.run(statement)


def test_a_lock_held_by_another_transaction_is_not_waited_for_inside_one(
    session: Session, other: Session
) -> None:
    """Snowflake waits for LOCK_TIMEOUT, then gives the same error."""
    session.run("create table t (a int)", "insert into t values (1)", "begin", "update t set a = 2")
    other.run("begin")
    with pytest.raises(DatabaseError, match="000625"):
        other.run("update t set a = 3")
    other.run("rollback")
    session.run("rollback")


def test_an_aborted_transactions_session_goes_on_without_one(session: Session, other: Session) -> None:
    """What Snowflake does then is not documented; nothing may be committed by it in any case."""
    session.run("create table t (a int)", "begin name mine", "insert into t values (1)")
    (mine,) = [row for row in other.run("show transactions") if row[3] == "MINE"]
    other.run(f"select system$abort_transaction({mine[0]})")
    session.run("insert into t values (2)", "commit")
    assert other.run("select a from t") == [(2,)]


def test_options_of_parquet_files_have_no_effect(session: Session, tmp_path: Path) -> None:
    """Snowflake reads moments as numbers and bytes as text, unless a setting says not to."""
    pq.write_table(pa.table({"A": pa.array([b"\xff"], pa.binary())}), tmp_path / "a.parquet")
    session.run(
        "create table t (a binary)",
        "create stage s",
        f"put 'file://{tmp_path}/a.parquet' @s auto_compress = false",
        "copy into t from @s/ file_format = (type = parquet) match_by_column_name = case_insensitive",
    )
    assert bytes(session.run("select a from t")[0][0]) == b"\xff"


def test_a_variant_keeps_its_keys_in_their_order(session: Session) -> None:
    """Snowflake sorts them."""
    session.run("create table t (v variant)", """insert into t select parse_json('{"b": 1, "a": 2}')""")
    assert session.run("select v from t") == [('{"b":1,"a":2}',)]


def test_a_variants_decimal_numbers_are_doubles(session: Session) -> None:
    """Snowflake keeps up to 38 digits of a number without an exponent."""
    text = "select cast(parse_json('{}') as varchar)"
    whole = "12345678901234567890123456789012345678"
    assert session.run(text.format(whole)) == [(whole,)]
    assert session.run(text.format("12345678901234567.89")) == [("12345678901234568.0",)]


def test_row_numbers_and_correlated_subqueries_are_free(session: Session) -> None:
    """Snowflake wants an order for the one, and does not know every form of the other."""
    session.run("create table t (a int)", "insert into t values (1), (null)")
    numbered = session.run("select count(*) from (select row_number() over (partition by a) as n from t)")
    assert numbered == [(2,)]
    unlike = "select count(*) from t as x where not exists (select 1 from t as y where y.a is not distinct from x.a)"
    assert session.run(unlike) == [(0,)]


def test_the_precision_of_times_is_not_in_the_information_schema(session: Session) -> None:
    with pytest.raises(DatabaseError, match="DATETIME_PRECISION"):
        session.run("select datetime_precision from information_schema.columns")


def test_a_name_with_a_single_quote_is_an_error(session: Session) -> None:
    with pytest.raises(DatabaseError):
        session.run("""create table t ("it's" varchar)""")


def test_project_leans_on_nothing_that_differs() -> None:
    """Averages are cast, and no length of a text is counted on."""
    lines = [
        (path.name, line.split("--")[0].lower())
        for path in (ROOT / "data-transformation").rglob("*.sql")
        for line in path.read_text().splitlines()
    ]
    assert len(lines) > 1000
    assert not [each for each in lines if "avg(" in each[1] and "cast(" not in each[1]]
    assert not [each for each in lines if "varchar(" in each[1]]
