"""What a request to ClickHouse is made of, and what is no request: files of the server, and what its user may not."""

from __future__ import annotations

import pytest

from streaming.clickhouse.statements import READS, WRITES, RefusedStatement, allowed, statement_of


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


# as the engine writes them; test_front.py asks it for them
@pytest.mark.parametrize(
    "canonical",
    [
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "SELECT 1 INTO OUTFILE 'x'",
        "SELECT * FROM Python(engine)",
        "SELECT * FROM `python`(engine)",
        "INSERT INTO t SELECT * FROM arrowStream(1)",
        "SELECT arrayMap(file, ['x'])",
        "CREATE TABLE t (`a` String) ENGINE = File(CSV, 'x')",
        "CREATE DATABASE d ENGINE = Filesystem('x')",
        "CREATE TABLE t ENGINE = `PostgreSQL`('127.0.0.1', 'a', 'b', 'c', 'd') AS SELECT 1",
        "SELECT arrayMap({f:Identifier}, ['x'])",
    ],
)
def test_nothing_reaches_outside_or_into_the_process(canonical: str) -> None:
    with pytest.raises(RefusedStatement, match="Not enough privileges"):
        allowed(canonical, READS, {"f": "file"}, writes=True)


def test_a_text_with_a_comment_is_not_the_engines() -> None:
    with pytest.raises(RefusedStatement, match="can't be read for certain"):
        allowed("SELECT 1 /* one */", READS, {}, writes=True)


@pytest.mark.parametrize("engine", ["MergeTree", "ReplacingMergeTree(x)", "Null", "Memory", "`MergeTree`()"])
def test_engines_that_reach_nothing_outside_are_taken(engine: str) -> None:
    allowed(f"CREATE TABLE t (`a` Int8) ENGINE = {engine} ORDER BY a", WRITES, {}, writes=True)


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
    ("canonical", "kind", "writer", "reader"),
    [
        ("SELECT 1", "READ_ONLY", True, True),
        ("INSERT INTO t SELECT 1", "MUTATING", True, False),
        ("SET max_threads = 1", "CONTROL", True, False),
        ("USE shop", "CONTROL", True, False),
        ("SYSTEM SHUTDOWN", "CONTROL", False, False),
        ("CREATE USER x", "MUTATING_GLOBAL", False, False),
        ("WHATEVER COMES NEXT YEAR", "UNKNOWN", False, False),
    ],
)
def test_who_may_run_what(canonical: str, kind: str, writer: bool, reader: bool) -> None:
    for writes, may in ((True, writer), (False, reader)):
        if may:
            allowed(canonical, kind, {}, writes=writes)
        else:
            with pytest.raises(RefusedStatement):
                allowed(canonical, kind, {}, writes=writes)
