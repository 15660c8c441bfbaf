"""What a request to ClickHouse is made of, and what is no request: files of the server, and what its user may not."""

from __future__ import annotations

import pytest

from streaming.clickhouse.statements import RefusedStatement, Statement, allowed, statement_of


@pytest.mark.parametrize(
    ("body", "text", "form", "data"),
    [
        (b"INSERT INTO t (a, b) FORMAT Native\n\x01\x02", "INSERT INTO t (a, b)", "Native", b"\x01\x02"),
        (b"insert into t format CSV 1,2", "insert into t", "CSV", b"1,2"),
        (b"INSERT INTO t SETTINGS max_threads = 1 FORMAT CSV\r\n\n1", "INSERT INTO t SETTINGS max_threads = 1", "CSV", b"\n1"),
        (b"INSERT INTO t VALUES (1, 'FORMAT x')", "INSERT INTO t", "Values", b" (1, 'FORMAT x')"),
        (b"/* values */ INSERT INTO t(`values`, `format`) VALUES (1)", "/* values */ INSERT INTO t(`values`, `format`)", "Values", b" (1)"),
        (b"INSERT INTO `in''format` FORMAT TSV\n", "INSERT INTO `in''format`", "TSV", b""),
    ],
)  # fmt: skip
def test_an_insert_is_its_head_and_its_data(body: bytes, text: str, form: str, data: bytes) -> None:
    found = statement_of(body)
    assert (found.text, found.form, bytes(found.data or b"")) == (text, form, data)


@pytest.mark.parametrize(
    "body",
    [
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"INSERT INTO t (SELECT 1 FORMAT CSV)",
        b"SELECT 'INSERT INTO t VALUES (1)'",
        b"-- INSERT INTO t VALUES\nSELECT 1;",
        b"INSERT INTO t",
        b"select name, engine from system.tables where engine = name and engine in ('View') or engine is not null",
        b"create view v as select engine from t where engine = 'File'",
        b"select 'python(x)', python, \"outfile\" from t -- into outfile",
    ],
)
def test_a_query_is_left_whole(body: bytes) -> None:
    found = statement_of(body)
    assert found.data is None
    assert found.text == body.decode().rstrip(";")


@pytest.mark.parametrize(
    "body",
    [
        b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        b"INSERT INTO t (a) from/**/infile '/etc/passwd' COMPRESSION 'gzip' FORMAT CSV",
        b"INSERT INTO t -- it's\n FROM INFILE '/etc/passwd' VALUES",
        b"INSERT INTO t (`a'`) FROM # '\n INFILE '/etc/passwd' FORMAT CSV",
        b"select 1 into outfile '/tmp/x'",
        b"select 1 into /* ' */ OutFile '/tmp/x' -- '",
        b"select * from Python(engine)",
        b"select * from `python` /**/ (engine)",
        b"insert into t select * from arrowStream(140737488355328)",
        b"create table t (a String) engine = File(CSV, '/etc/passwd')",
        b"create database d engine Filesystem('/etc')",
        b"create or replace table t (a String) engine /* = Memory */ = File(CSV)",
        b"create table t engine = `PostgreSQL`('127.0.0.1', 'a', 'b', 'c', 'd') as select 1",
    ],
)
def test_nothing_reaches_outside_or_into_the_process(body: bytes) -> None:
    with pytest.raises(RefusedStatement, match="Not enough privileges"):
        statement_of(body)


@pytest.mark.parametrize("engine", ["MergeTree", "ReplacingMergeTree(x)", "Null", "Memory", "`MergeTree`()"])
def test_engines_that_reach_nothing_outside_are_taken(engine: str) -> None:
    assert statement_of(f"create table t (a Int8) engine = {engine} order by a".encode()).data is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"INSERT INTO t FORMAT", "without a name"),
        (b"SELECT '\xff'", "no UTF-8"),
        (b"SELECT '" + b"x" * (1 << 18) + b"'", "Max query size"),
    ],
)
def test_what_is_no_statement_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(RefusedStatement, match=reason):
        statement_of(body)


@pytest.mark.parametrize(
    ("text", "kind", "count", "writer", "reader"),
    [
        ("select 1", "READ_ONLY", 1, True, True),
        ("select 1; select 2", "READ_ONLY", 2, False, False),
        ("insert into t select 1", "MUTATING", 1, True, False),
        ("set max_threads = 1", "CONTROL", 1, True, False),
        ("/* x */ use shop", "CONTROL", 1, True, False),
        ("select 1 into outfile '/tmp/x'", "CONTROL", 1, False, False),
        ("system shutdown", "CONTROL", 1, False, False),
        ("create user x", "MUTATING_GLOBAL", 1, False, False),
        ("whatever comes next year", "UNKNOWN", 1, False, False),
    ],
)
def test_who_may_run_what(text: str, kind: str, count: int, writer: bool, reader: bool) -> None:
    for writes, may in ((True, writer), (False, reader)):
        if may:
            allowed(Statement(text), kind, count, writes=writes)
        else:
            with pytest.raises(RefusedStatement):
                allowed(Statement(text), kind, count, writes=writes)
