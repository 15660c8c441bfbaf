"""`elt sql`: what it prints, what it refuses, and that it changes nothing."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from elt import sql as module
from foundation.errors import EltError
from foundation.lease import lease, reading
from foundation.settings import load_settings

Ask = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute(
            """
            create table t as
            select 1 as id, 109846381.399888::decimal(18, 6) as amount, 'a[b]c, "d"' as text, null as nothing, true as yes,
                timestamp '2026-01-02 03:04:05' as at, '\\xAA'::blob as bytes, 'nan'::double as odd, [1, 2] as list,
                timestamptz '2026-01-02 03:04:05+00' as zoned
            union all
            select 20, -1.5, 'ü', null, false, null, null, 0.5, null, null
        """
        )
    return tmp_path


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(module, "settings", lambda: load_settings({"ELT_HOME": str(home)}))

    def run(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(module.sql, arguments, **options)

    return run


def test_a_table_is_aligned_and_exact(ask: Ask) -> None:
    result = ask("select id, amount, text, nothing from t order by id")
    assert result.output.splitlines() == [
        "id            amount  text        nothing",
        ' 1  109846381.399888  a[b]c, "d"     NULL',
        "20         -1.500000  ü              NULL",
    ]


def test_csv_can_be_read_back(ask: Ask) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("select * from t order by id", "--csv").output)))
    assert rows[0]["amount"] == "109846381.399888"
    assert rows[0]["text"] == 'a[b]c, "d"'
    assert (rows[0]["nothing"], rows[0]["yes"], rows[0]["at"]) == ("", "true", "2026-01-02 03:04:05")
    assert rows[0]["bytes"] == "aa"


def test_json_can_be_read_back(ask: Ask) -> None:
    rows = json.loads(ask("select * from t order by id", "--json").output)
    assert rows[0]["amount"] == "109846381.399888"
    assert (rows[0]["id"], rows[0]["yes"], rows[0]["nothing"], rows[0]["odd"]) == (1, True, None, "nan")
    assert rows[0]["list"] == [1, 2]
    assert rows[1]["text"] == "ü"
    assert json.loads(ask("select * from t where false", "--json").output) == []


def test_many_rows_are_cut_for_a_person_only(ask: Ask) -> None:
    shown = ask("select range as n from range(1500)")
    assert len(shown.stdout.splitlines()) == 1001
    assert "only the first 1,000 rows are shown" in shown.stderr
    assert len(ask("select range as n from range(15000)", "--csv").stdout.splitlines()) == 15001


def test_a_terminal_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    output.isatty = lambda: True
    with duckdb.connect(":memory:") as connection:
        monkeypatch.setattr(module.sys, "stdout", output)
        module._print_table(connection.execute("select 1 as n, 'a[b]c' as text"))
    assert "│" in output.getvalue()
    assert "a[b]c" in output.getvalue()
    assert "1 rows" in output.getvalue()


def test_the_query_may_come_from_standard_input(ask: Ask) -> None:
    assert ask("-", "--csv", input="select 7 as n;\n").output == "n\n7\n"


def test_the_published_file_is_asked_with_serving(ask: Ask, home: Path) -> None:
    missing = ask("select 1", "--serving")
    assert isinstance(missing.exception, EltError)
    assert "there is no warehouse at" in str(missing.exception)
    version = home / "serving" / "v1"
    version.mkdir(parents=True)
    with duckdb.connect(version / "adventureworks.duckdb") as connection:
        connection.execute("create table shown as select 5 as n")
    (home / "serving" / "current").symlink_to("v1")
    assert ask("from shown", "--serving", "--csv").output == "n\n5\n"
    assert not (version / "adventureworks.duckdb.lock").exists()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select 1; select 2", "2 statements were given — give exactly one"),
        ("", "0 statements were given"),
        ("selec 1", "SQL: Parser Error: syntax error"),
        ("select * from tt", 'Table with name tt does not exist! Did you mean "t"? (line 1, column 15)'),
        ("select id,\n  amuont\nfrom t", 'Candidate bindings: "amount"'),
        ("select id,\n  amuont\nfrom t", "(line 2, column 3)"),
        (f"select {'1, ' * 60} amuont from t", "(line 1, at: amuont from t)"),
        ("select 'x'::int", "SQL: Conversion Error"),
        ("delete from t", "read-only"),
        ("create table u as select 1", "read-only"),
        ("select * from read_csv('/etc/passwd')", "file system operations are disabled"),
        ("copy t to '/tmp/stolen.csv'", "file system operations are disabled"),
        ("attach '/tmp/other.duckdb'", "file system operations are disabled"),
        ("set enable_external_access = true", "Cannot change"),
        ("install httpfs", "SQL: "),
    ],
)
def test_what_is_wrong_or_forbidden_is_one_line(ask: Ask, home: Path, query: str, message: str) -> None:
    before = (home / "warehouse.duckdb").read_bytes()
    result = ask(query)
    assert isinstance(result.exception, EltError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert (home / "warehouse.duckdb").read_bytes() == before


def test_the_command_exits_with_2_and_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "elt.cli", "sql", "select 1"],
        env={"ELT_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr == (
        f"elt: there is no warehouse at {tmp_path}/warehouse.duckdb — run `make demo` first (ELT_HOME moves it)\n"
    )


def test_a_damaged_warehouse_is_reported(ask: Ask, home: Path) -> None:
    (home / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    result = ask("select 1")
    assert isinstance(result.exception, EltError)
    assert "can't be read" in str(result.exception)


def test_a_writer_is_waited_for_and_then_named(ask: Ask, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundation.warehouse.WAIT_SECONDS", 0.2)
    with lease(home / "warehouse.duckdb", "dbt build"):
        result = ask("select 1")
    assert "is in use by dbt build (process" in str(result.exception)
    assert ask("select 1 as n", "--csv").output == "n\n1\n"


def test_a_writer_that_does_not_know_the_lease_is_named_by_its_process(
    ask: Ask, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foundation.warehouse.WAIT_SECONDS", 0.2)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(home / "warehouse.duckdb")]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"open\n"
    result = ask("select 1")
    writer.communicate()
    assert f"(PID {writer.pid})" in str(result.exception)
    assert "end that program" in str(result.exception)


def test_readers_share_and_writers_wait_for_them(home: Path) -> None:
    path = home / "warehouse.duckdb"
    two_readers = reading(path, "one"), reading(path, "two")
    with two_readers[0], two_readers[1], pytest.raises(EltError, match="in use by two"):
        lease(path, "writer", wait_seconds=0).__enter__()
    with lease(path, "writer", wait_seconds=0):
        pass
