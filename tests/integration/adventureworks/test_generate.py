"""`elt source generate`: generated data in a real PostgreSQL."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adventureworks.database import checksums, row_counts
from adventureworks.generator import Plan, frames
from adventureworks.schema import tables
from tests.fixtures import warm
from tests.fixtures.source import GENERATED_AS_OF, GENERATED_SCALE, SourceDatabase


def elt(database: SourceDatabase, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run("elt", *arguments, environ=database.environ, timeout=300)


def generate(database: SourceDatabase, *arguments: str) -> None:
    done = elt(database, "source", "generate", *arguments)
    assert done.returncode == 0, done.stderr


def found(database: SourceDatabase) -> dict[str, str]:
    with database.connect("reader") as conn:
        return checksums(conn)


def test_the_same_seed_leaves_the_same_checksums_whatever_was_there_before(
    empty_source: SourceDatabase,
) -> None:
    arguments = ("--scale", "0.01", "--as-of", "2025-03-31")
    generate(empty_source, *arguments)
    first = found(empty_source)
    with empty_source.connect() as conn:
        conn.execute("update sales.salesorderdetail set orderqty = orderqty + 1")
    assert found(empty_source) != first
    generate(empty_source, *arguments, "--seed", "42")
    assert found(empty_source) == first


def test_a_vacuum_that_is_at_work_is_waited_for(empty_source: SourceDatabase) -> None:
    """Autovacuum starts after a load, and the next load comes in its way: it locks a table, then writes its statistics."""
    waiting = """
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'relation'
    """
    with (
        empty_source.connect("superuser", autocommit=True) as watcher,
        empty_source.connect("superuser") as vacuum,
        ThreadPoolExecutor(1) as threads,
    ):
        vacuum.execute("lock table production.workorder in share update exclusive mode")
        load = threads.submit(generate, empty_source, "--scale", "0.01", "--as-of", "2025-03-31")
        while watcher.execute(waiting).fetchone() is None:
            assert not load.done()
            time.sleep(0.05)
        vacuum.execute("analyze production.workorder")
        vacuum.commit()
        load.result(timeout=120)


def test_data_generated_now_is_not_of_the_future(empty_source: SourceDatabase) -> None:
    before = datetime.now(UTC).date()
    generate(empty_source, "--scale", "0.01")
    latest = " union all ".join(f"select max(modifieddate) as day from {name}" for name in tables())
    with empty_source.connect("reader") as conn:
        (newest,) = conn.execute("select max(orderdate)::date from sales.salesorderheader").fetchone()
        (late,) = conn.execute(
            f"select max(day) > clock_timestamp() at time zone 'UTC' from ({latest}) as every"
        ).fetchone()
    assert before <= newest <= datetime.now(UTC).date()
    assert late is False


def test_every_row_made_is_loaded(generated_source: SourceDatabase) -> None:
    made = {frame.table: frame.rows for frame in frames(Plan(GENERATED_SCALE, 42, GENERATED_AS_OF))}
    with generated_source.connect("reader") as conn:
        assert row_counts(conn) == made


def test_postgresql_reads_the_types_as_meant(generated_source: SourceDatabase) -> None:
    """Padded characters, bytes, times and exact amounts."""
    with generated_source.connect("reader") as conn:
        assert conn.execute(
            "select stateprovincecode::text || '|', octet_length(stateprovincecode) from person.stateprovince where stateprovinceid = 79"
        ).fetchone() == ("WA|", 3)
        assert conn.execute(
            "select distinct substring(largephoto from 1 for 6) from production.productphoto"
        ).fetchall() == [(b"GIF89a",)]
        assert conn.execute(
            "select to_char(starttime, 'HH24:MI') from humanresources.shift order by 1"
        ).fetchall() == [("07:00",), ("15:00",), ("23:00",)]
        lines, headers = conn.execute(
            """select (select sum(round(total, 4)) from (
                          select sum(unitprice * (1 - unitpricediscount) * orderqty) as total
                          from sales.salesorderdetail group by salesorderid) as orders),
                      (select sum(subtotal) from sales.salesorderheader)"""
        ).fetchone()
        assert lines == headers > Decimal(1_000_000)


def test_a_scale_out_of_range_is_one_line_with_the_remedy_and_changes_nothing(
    generated_source: SourceDatabase,
) -> None:
    before = found(generated_source)
    done = elt(generated_source, "source", "generate", "--scale", "50")
    assert done.returncode == 2
    assert done.stderr.strip() == "elt: the scale 50 is out of range — choose one from 0.01 to 10"
    done = elt(generated_source, "source", "generate", "--as-of", "9999-01-01")
    assert done.returncode == 2
    assert "the last day 9999-01-01 is out of range — choose one from 2000-01-01 to today" in done.stderr
    assert found(generated_source) == before


@pytest.mark.slow
def test_scale_one_has_the_originals_orders_and_lines(empty_source: SourceDatabase) -> None:
    generate(empty_source)
    with empty_source.connect("reader") as conn:
        rows = row_counts(conn)
    assert rows["sales.salesorderheader"] == 31_465
    assert rows["sales.salesorderdetail"] == 121_317
