"""Where the emulator is not Snowflake (tests/snowflake/README.md). One that fails means: mend the list, and what leans on it."""

from __future__ import annotations

import pytest
from snowflake.connector.errors import DatabaseError

from elt.settings import ROOT
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
