"""Spark builds the shop's sales from the lake: the same rows as dbt in DuckDB and as plain SQL on the source."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from foundation.errors import EltError
from foundation.own_environment import LAKE
from lake.place import catalogue, credentials
from spark.run import Done, ask, run_job
from tests.fixtures.spark import SOURCE, SOURCE_NAMES, TOTALS, Shop, files_of, source_totals, table_of_totals
from tests.lake.spark.conftest import FACT, ONE

PROPERTY = """
import json, sys
from pyiceberg.catalog import load_catalog
request = json.load(sys.stdin)
with load_catalog("lake", **request["catalog"]).load_table(request["table"]).transaction() as transaction:
    transaction.set_properties(**request["values"])
"""


def spark_rows(shop: Shop, folder: Path) -> str:
    """The fact as Spark wrote it, for DuckDB to read."""
    folder.mkdir(exist_ok=True)
    files = files_of(shop, FACT.target, folder)
    return f"read_parquet({[str(file) for file in files]})"


def digest(shop: Shop, folder: Path) -> str:
    """Of all rows and columns."""
    with duckdb.connect() as duck:
        rows = duck.execute(f"from {spark_rows(shop, folder)} order by order_id, order_line_id").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_spark_duckdb_and_the_source_have_the_same_rows_to_the_last_digit(
    modelled: Shop, tmp_path: Path
) -> None:
    with duckdb.connect(modelled.settings.warehouse_path, read_only=True) as duck:
        spark = spark_rows(modelled, tmp_path)
        columns = [name for name, *_ in duck.execute(f"describe from {spark}").fetchall()]
        types = {
            of: duck.execute(
                f"select {', '.join(f'typeof({c})' for c in columns)} from {of} limit 1"
            ).fetchone()
            for of in (spark, "marts.fct_sales")
        }
        assert types[spark] == types["marts.fct_sales"]
        missing = {name for name, *_ in duck.execute("describe marts.fct_sales").fetchall()} - set(columns)
        assert missing == {"customer_key", "order_hash", "extracted_at", "sales_hash"}
        names = ", ".join(columns)
        for one, other in ((spark, "marts.fct_sales"), ("marts.fct_sales", spark)):
            query = f"(select {names} from {one}) except all (select {names} from {other})"
            assert not duck.execute(query).fetchall()
        rows = duck.execute(f"select {SOURCE_NAMES} from {spark} order by 1, 2").fetchall()
        totals = {
            "Spark": duck.execute(f"select {TOTALS} from {spark}").fetchone(),
            "DuckDB": duck.execute(f"select {TOTALS} from marts.fct_sales").fetchone(),
            "source": source_totals(modelled),
        }
    assert rows == modelled.source(f"{SOURCE} order by 1, 2")
    assert len(set(totals.values())) == 1, table_of_totals(totals)


def test_one_worker_run_again_leaves_the_same_table(built: Shop, tmp_path: Path) -> None:
    before = digest(built, tmp_path / "a")
    assert run_job(built.settings, FACT, ONE).rows > 5000
    assert digest(built, tmp_path / "b") == before


def test_two_runs_at_once_leave_the_same_table(built: Shop, tmp_path: Path) -> None:
    before, done = digest(built, tmp_path / "a"), []

    def run() -> None:
        try:
            done.append(run_job(built.settings, FACT, ONE))
        except EltError as error:
            done.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(one, Done) for one in done), done
    assert digest(built, tmp_path / "b") == before


def test_a_run_that_is_killed_while_it_writes_leaves_the_old_table_and_no_process(
    built: Shop, tmp_path: Path
) -> None:
    before, objects = digest(built, tmp_path / "a"), data_objects(built)
    command = [sys.executable, "-m", "elt.cli", "spark", "run", "fact_sales", "--workers", "1"]
    job = subprocess.Popen(command, env=built.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    family: dict[psutil.Process, list[str]] = {}
    listening: set[tuple[str, int]] = set()
    try:
        deadline = time.monotonic() + 300
        while data_objects(built) == objects:
            assert job.poll() is None and time.monotonic() < deadline, job.communicate()
            for each in psutil.Process(job.pid).children(recursive=True):
                with suppress(psutil.Error):  # it has ended
                    family[each] = each.cmdline()
                    ports = (one for one in each.net_connections() if one.status == psutil.CONN_LISTEN)
                    listening |= {tuple(one.laddr) for one in ports}
            time.sleep(0.1)
    finally:
        job.kill()
        job.wait()
    assert {address.removeprefix("::ffff:") for address, _ in listening} == {"127.0.0.1"}
    assert len(listening) >= 8 and 6066 not in {port for _, port in listening}, "jobs without a secret"
    access_key, secret_key = built.settings.lake_credentials
    (run,) = (built.home / "spark").glob("elt-run-*")
    secret = next(line for line in (run / "spark-defaults.conf").read_text().splitlines() if "secret" in line)
    for word in (access_key, secret_key, secret.split()[1]):
        assert word not in json.dumps(list(family.values()))
    _, alive = psutil.wait_procs(list(family), 30)
    assert not alive
    assert digest(built, tmp_path / "b") == before
    assert ask(built.settings, "select 1 as one", 1, ONE) == (["one"], [["1"]])
    assert not list((built.home / "spark").glob("elt-run-*")), "what it left goes with the next run"


def data_objects(shop: Shop) -> int:
    """How many data files there are of the fact, whether a snapshot names them or not."""
    from dataclasses import replace as changed

    from airbyte_local.destinations.lake.store import Store

    place = changed(shop.lake.place, bucket=shop.settings.lake_catalog_warehouse, folder="")
    return sum(1 for _ in Store(place).objects("marts/fact_sales/data/"))


class Running:
    """`elt spark run fact_sales` on two workers, in mid-job: its executors have some of the rows."""

    def __init__(self, shop: Shop) -> None:
        command = [sys.executable, "-m", "elt.cli", "spark", "run", "fact_sales", "--memory", "768"]
        self.job = subprocess.Popen(
            command, env=shop.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 300
        while len(self.of("CoarseGrainedExecutorBackend")) < 2 or not self.rows(shop):
            assert self.job.poll() is None and time.monotonic() < deadline, self.job.communicate()
            time.sleep(0.2)

    def rows(self, shop: Shop) -> list[Path]:
        """What an executor has written for another one."""
        return list((shop.home / "spark").glob("elt-run-*/**/shuffle_*.data"))

    def of(self, word: str) -> list[psutil.Process]:
        """Its Java processes of that class."""
        found = []
        for each in psutil.Process(self.job.pid).children(recursive=True):
            with suppress(psutil.Error):
                if each.name() == "java" and any(word in argument for argument in each.cmdline()):
                    found.append(each)
        return found


def test_an_executor_that_is_killed_costs_time_and_no_row(built: Shop, tmp_path: Path) -> None:
    before, running = digest(built, tmp_path / "a"), Running(built)
    running.of("CoarseGrainedExecutorBackend")[0].kill()
    _, err = running.job.communicate()
    assert running.job.returncode == 0, err
    assert digest(built, tmp_path / "b") == before


def test_a_worker_that_is_killed_ends_the_run_in_one_line(built: Shop, tmp_path: Path) -> None:
    before, running = digest(built, tmp_path / "a"), Running(built)
    family = psutil.Process(running.job.pid).children(recursive=True)
    running.of("deploy.worker.Worker")[0].kill()
    out, err = running.job.communicate()
    assert (running.job.returncode, out, len(err.splitlines())) == (2, "", 1)
    assert "a worker of Spark, or its master, has ended in mid-run — see the logs in" in err
    assert not psutil.wait_procs(family, 30)[1]
    assert digest(built, tmp_path / "b") == before


def test_tables_of_two_commits_are_refused(built: Shop) -> None:
    table = "adventureworks_sales.salesorderdetail"

    def note(number: int) -> None:
        request = {
            "catalog": catalogue(built.settings),
            "table": table,
            "values": {"elt.commit": str(number)},
        }
        subprocess.run(
            [str(LAKE.python), "-c", PROPERTY],
            input=json.dumps(request),
            env=built.environ | credentials(built.settings),
            text=True,
            check=True,
        )

    note(1)
    with pytest.raises(EltError) as refused:
        run_job(built.settings, FACT, ONE)
    told = re.search(
        r"different commits of the lake: \S+salesorderdetail of 1, \S+ of (\d+)", str(refused.value)
    )
    assert told, refused.value
    note(int(told[1]))


def elt(shop: Shop, *words: str, **changes: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "elt.cli", "spark", *words],
        env=shop.environ | changes,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "words, changes, message",
    [
        (
            ("run", "fact_sales"),
            {},
            "the catalogue has no table adventureworks_sales.salesorderheader — sync",
        ),
        (("sql", "from a.b"), {}, "TABLE_OR_VIEW_NOT_FOUND"),
        (("sql", "drop table a.b"), {}, "PARSE_SYNTAX_ERROR"),
        (("sql", "select 1"), {"LAKE_CATALOG": "http://127.0.0.1:9"}, "http://127.0.0.1:9 can't be used"),
    ],
)
def test_what_cannot_be_is_one_line(
    empty: Shop, words: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    done = elt(empty, *words, "--workers", "1", **changes)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


def test_an_unknown_snapshot_is_one_line(built: Shop) -> None:
    done = elt(built, "sql", "from marts.fact_sales version as of 5", "--workers", "1")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "Cannot find snapshot with ID 5" in line


def test_a_query_shows_its_rows(built: Shop) -> None:
    query = "select count(*) as lines, count(distinct order_id) as orders from marts.fact_sales"
    done = elt(built, "sql", query, "--workers", "1", "--json")
    ((lines, orders),) = built.source(
        "select count(*), count(distinct salesorderid) from sales.salesorderdetail"
    )
    assert json.loads(done.stdout) == [{"lines": str(lines), "orders": str(orders)}]
