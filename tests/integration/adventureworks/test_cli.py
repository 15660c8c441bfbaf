"""`elt source` and `elt shop` as a person runs them: output, one clear line for an error, exit code 2."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adventureworks.schema import tables
from tests.fixtures import warm
from tests.fixtures.source import GENERATED_AS_OF, SourceDatabase, free_port


def elt(database: SourceDatabase, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run("elt", *arguments, environ=database.environ | environ, timeout=120)


def error(answer: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a run that failed as errors should."""
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert line.startswith("elt: ")
    return line


@pytest.fixture(scope="module")
def small(generated_source: SourceDatabase) -> Iterator[SourceDatabase]:
    """A small generated database that these tests may change."""
    database = generated_source.copy()
    yield database
    database.server.drop(database)


def test_load_replaces_the_content_and_says_how_much(empty_source: SourceDatabase, tmp_path: Path) -> None:
    for name, table in tables().items():
        (tmp_path / f"{name}.csv").write_text(",".join(table.column_names) + "\n")
    (tmp_path / "sales.currency.csv").write_text("currencycode,name,modifieddate\nEUR,Euro,2020-01-01\n")
    answer = elt(empty_source, "source", "load", "--from", str(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f"1 rows in 68 tables of 127.0.0.1:{empty_source.port}/{empty_source.database}\n"


def test_a_missing_folder_is_one_line(empty_source: SourceDatabase) -> None:
    assert "folder /no/such/folder is not there" in error(
        elt(empty_source, "source", "load", "--from", "/no/such/folder")
    )


def test_a_source_that_is_down_names_place_and_remedy(empty_source: SourceDatabase) -> None:
    port = str(free_port())
    line = error(elt(empty_source, "source", "status", SOURCE_PORT=port))
    assert f"127.0.0.1:{port} does not answer" in line and "elt up postgres" in line and "SOURCE_PORT" in line


def test_a_wrong_password_names_role_and_variable_and_not_the_password(empty_source: SourceDatabase) -> None:
    line = error(elt(empty_source, "shop", "day", SOURCE_OWNER_PASSWORD="open sesame"))
    assert "refuses the password of adventureworks_owner — set SOURCE_OWNER_PASSWORD" in line
    assert "open sesame" not in line
    line = error(elt(empty_source, "source", "checksum", SOURCE_READER_PASSWORD="open sesame"))
    assert "airbyte_reader — set SOURCE_READER_PASSWORD" in line


def test_a_missing_database_is_named(empty_source: SourceDatabase) -> None:
    assert "has no database elsewhere — set SOURCE_DATABASE" in error(
        elt(empty_source, "source", "status", SOURCE_DATABASE="elsewhere")
    )


def test_an_unknown_option_is_one_line(empty_source: SourceDatabase) -> None:
    assert "No such option '--form'" in error(elt(empty_source, "source", "load", "--form", "x"))


def test_a_database_without_tables_says_how_to_fill_it(source_server) -> None:
    database = source_server.create()
    for arguments in (("source", "status"), ("shop", "day"), ("shop", "run")):
        line = error(elt(database, *arguments))
        assert "elt source load" in line and "elt source generate" in line
    database.server.drop(database)


def test_the_same_seed_gives_the_same_checksum(empty_source: SourceDatabase) -> None:
    def generate(seed: int) -> dict[str, str]:
        arguments = ("--scale", "0.01", "--as-of", "2026-06-30", "--seed", str(seed))
        answer = elt(empty_source, "source", "generate", *arguments)
        assert answer.returncode == 0, answer.stderr
        assert "rows in 68 tables" in answer.stdout
        return json.loads(elt(empty_source, "source", "checksum", "--json").stdout)

    first = generate(42)
    assert set(first) == set(tables())
    assert generate(42) == first


def test_status_and_checksum_show_every_table(small: SourceDatabase) -> None:
    rows = json.loads(elt(small, "source", "status", "--json").stdout)
    assert set(rows) == set(tables()) and rows["sales.salesorderheader"] > 100
    shown = elt(small, "source", "status").stdout
    assert (
        f"{rows['sales.salesorderheader']:,}" in shown
        and f"{sum(rows.values()):,} rows in 68 tables" in shown
    )
    assert len(elt(small, "source", "checksum").stdout.splitlines()) == 68


def test_days_are_reported_as_json_or_as_sentences(small: SourceDatabase) -> None:
    told = [
        json.loads(line) for line in elt(small, "shop", "day", "--days", "2", "--json").stdout.splitlines()
    ]
    assert [one["date"] for one in told] == [str(GENERATED_AS_OF + timedelta(days=n)) for n in (1, 2)]
    assert set(told[0]) == {
        "date", "new_orders", "new_lines", "status_changes", "price_changes", "address_moves", "late_corrections",
        "new_customers", "cleared_lines", "deleted_addresses", "forgotten_customers",
    }  # fmt: skip
    assert elt(small, "shop", "day", "--seed", "5").stdout.startswith(
        f"{GENERATED_AS_OF + timedelta(days=3)}: "
    )


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_live_shop_ends_cleanly_when_interrupted(small: SourceDatabase, sent: signal.Signals) -> None:
    with small.connect(autocommit=True) as conn:
        (before,) = conn.execute("select count(*) from sales.salesorderheader").fetchone()
        shop = subprocess.Popen(
            [sys.executable, "-m", "elt.cli", "shop", "run", "--rate", "20"],
            env=small.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while conn.execute("select count(*) from sales.salesorderheader").fetchone()[0] <= before + 2:
            assert time.monotonic() < deadline and shop.poll() is None
            time.sleep(0.1)
        shop.send_signal(sent)
        out, err = shop.communicate(timeout=30)
        (after,) = conn.execute("select count(*) from sales.salesorderheader").fetchone()
    assert (shop.returncode, err) == (0, "")
    assert out.startswith(f"{after - before} new orders, ")


def test_a_live_shop_ends_by_itself(small: SourceDatabase) -> None:
    answer = elt(small, "shop", "run", "--rate", "5", "--seconds", "1", "--seed", "3")
    assert answer.returncode == 0 and "new orders" in answer.stdout
