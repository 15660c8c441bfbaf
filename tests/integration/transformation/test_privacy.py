"""`elt privacy erase`: afterwards nothing anywhere tells who the customer was, and everything else is as before."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
from filelock import FileLock

from adventureworks.database import row_counts
from elt.privacy import erase as erasing
from elt.privacy import marks
from elt.privacy.erase import erase
from foundation.errors import EltError
from foundation.lease import lease
from foundation.quoting import quoted
from foundation.settings import Settings, load_settings
from orchestration.backup import backups
from orchestration.publish import publish, versions
from orchestration.sealed import seal, verify
from tests.fixtures import warm
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.transformation.conftest import MODELS_ONLY
from tests.integration.transformation.raw_layer import Warehouse

# what nobody else has
WORDS = (
    "Xanthippe",
    "Xylophia",
    "Quorthonsen",
    "xq.q@example.org",
    "999-555-7777",
    "999-555-8888",
    "Zorn Alley",
)
MASKED = ("x***@example.org", "X***@example.org")
BEFORE = """
update person.person set firstname = 'Xanthippe', middlename = 'Zz', lastname = 'Quorthonsen',
    demographics = '<IndividualSurvey>Quorthonsen</IndividualSurvey>' where businessentityid = {person};
update person.emailaddress set emailaddress = 'xq.q@example.org' where businessentityid = {person};
delete from person.personphone where businessentityid = {person};
insert into person.personphone (businessentityid, phonenumber, phonenumbertypeid) values ({person}, '999-555-7777', 1);
update person.address set addressline1 = '7 Zorn Alley' where addressid in (
    select addressid from person.businessentityaddress where businessentityid = {person}
);
update sales.salesorderheader set comment = 'ring at Quorthonsen' where customerid = {customer};
insert into production.productreview (productid, reviewername, reviewdate, emailaddress, rating, comments)
    select min(productid), 'Xanthippe', now(), 'XQ.q@example.org', 5, 'Quorthonsen likes it' from production.product;
"""
LATER = """
update person.person set firstname = 'Xylophia' where businessentityid = {person};
update person.personphone set phonenumber = '999-555-8888' where businessentityid = {person};
"""


class Shop:
    """A source, a home with warehouse and published versions, and a private customer whom everybody would recognise."""

    def __init__(self, source: SourceDatabase, environ: dict[str, str]) -> None:
        self.source, self.environ = source, environ
        query = """
            select min(customerid), min(personid) from sales.customer
            where storeid is null and customerid = (select min(customerid) from sales.salesorderheader where onlineorderflag)
        """
        self.customer, self.person = self.ask(query)[0]
        self.write(BEFORE)

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    @property
    def home(self) -> Path:
        return self.settings.home

    def ask(self, query: str) -> list[tuple]:
        with self.source.connect() as connection:
            return connection.execute(query).fetchall()

    def write(self, statements: str) -> None:
        with self.source.connect() as connection:
            connection.execute(statements.format(customer=self.customer, person=self.person))

    def elt(self, *arguments: str) -> str:
        done = warm.run("elt", *arguments, environ=self.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> list[Path]:
        """Every database file of the home: the warehouse, each published version, the backups."""
        return list(self.home.rglob("*.duckdb"))

    def told(self, words: tuple[str, ...] = WORDS + MASKED) -> set[str]:
        """Which of the words some value of a table says, or some byte of a file."""
        found = {word for file in self.files() for word in words if value_says(file, word)}
        for path in (path for path in self.home.rglob("*") if path.is_file() and not path.is_symlink()):
            content = path.read_bytes()
            found |= {word for word in words if word.encode() in content}
        return found

    def source_told(self) -> set[str]:
        """Which of the words the source says."""
        tables = [name for (name,) in self.ask("select schemaname || '.' || tablename from pg_tables where schemaname in ('humanresources', 'person', 'production', 'purchasing', 'sales')")]  # fmt: skip
        return {
            word
            for word in WORDS
            for name in tables
            if self.ask(
                f"select exists (select from {name} as t where strpos(lower(t::text), lower('{word}')) > 0)"
            )[0][0]
        }


def value_says(file: Path, word: str) -> bool:
    with duckdb.connect(file, read_only=True) as connection:
        columns = connection.execute(
            "select c.schema_name, c.table_name, c.column_name from duckdb_columns() c join duckdb_tables() t"
            " using (database_oid, schema_oid, table_oid) where c.data_type in ('VARCHAR', 'JSON')"
        ).fetchall()
        says = "select exists (select 1 from {}.{} where contains(lower({}), lower(?)))"
        places = [tuple(map(quoted, place)) for place in columns]
        return any(connection.execute(says.format(*place), [word]).fetchone()[0] for place in places)


@pytest.fixture
def shop(airbyte: AirbyteServer, generated_source: SourceDatabase, tmp_path: Path) -> Iterator[Shop]:
    """Synced twice, with a change of name and phone between: raw has a deleted row with the first phone number."""
    source = generated_source.copy()
    workspace = (
        airbyte.http.post("/workspaces", json={"name": f"privacy {uuid4()}"}).raise_for_status().json()
    )
    environ = airbyte.environ_with(source, tmp_path / "home")
    shop = Shop(source, environ | {"AIRBYTE_WORKSPACE": workspace["workspaceId"]})
    shop.elt("airbyte", "apply")
    shop.elt("sync")
    yield shop
    source.server.drop(source)


@pytest.mark.slow
def test_nothing_tells_who_an_erased_customer_was_and_all_else_stays(
    shop: Shop, first_build: Warehouse
) -> None:
    warehouse = Warehouse(shop.home)
    warehouse.target.mkdir(parents=True)
    shutil.copy(first_build.target / "partial_parse.msgpack", warehouse.target)
    warehouse.build(*MODELS_ONLY)
    publish(shop.settings, "first")
    shop.write(LATER)
    shop.elt("sync")
    history = (
        "customers_snapshot",
        "dim_customer",
        "fct_orders",
        "fct_sales",
        "obt_sales",
        "mart_customer_insights",
    )
    warehouse.build("--select", " ".join(history), *MODELS_ONLY)
    publish(shop.settings, "second")
    assert set(WORDS) <= shop.told()  # the search does find them
    assert len([file for file in shop.files() if value_says(file, "Xanthippe")]) == 3
    orders = "select count(*), sum(totaldue) from sales.salesorderheader"
    lines = "select count(*), sum(line_total) from marts.obt_sales"
    before, sold, counts = shop.ask(orders), warehouse.rows(lines), shop_counts(shop)

    planned = shop.elt("privacy", "erase", "--customer", str(shop.customer), "--dry-run").splitlines()
    assert set(WORDS) <= shop.told()
    assert planned[-1] == "nothing was changed"
    told = shop.elt("privacy", "erase", "--yes", "--customer", str(shop.customer))
    assert planned[:-1] == [
        line for line in told.splitlines() if line.split()[0] in ("source:", "warehouse:", "published")
    ]
    assert f"protocol: {shop.home}/privacy/customer-{shop.customer}.json" in told
    assert (shop.told(), shop.source_told()) == (set(), set())
    assert (shop.ask(orders), warehouse.rows(lines)) == (before, sold)
    gone = {name: count - now for name, count, now in compared(counts, shop_counts(shop)) if count != now}
    assert gone == {
        "person.businessentityaddress": 1,
        "person.emailaddress": 1,
        "person.password": 1,
        "person.personphone": 1,
        "sales.personcreditcard": 1,
    }
    version = f"select distinct customer_name, person_name, masked_email, city, customer_type from {{}} where customer_id = {shop.customer}"  # fmt: skip
    erased = [("Erased Person", "Erased Person", None, None, "Individual")]
    assert warehouse.rows(version.format("marts.dim_customer")) == erased
    assert warehouse.rows(version.format("snapshots.customers_snapshot")) == erased
    assert [each.run for each in versions(shop.settings)] == ["first", "second"]
    assert [each.current for each in versions(shop.settings)] == [False, True]
    with duckdb.connect(shop.settings.serving_path, read_only=True) as served:
        assert served.execute(lines).fetchall() == sold

    # the pipeline goes on from there: raw is the source, and no version is made of what was erased
    held = "select count(*) from snapshots.customers_snapshot"
    states = warehouse.rows(held)
    shop.elt("sync")
    assert "source and raw are equal" in shop.elt("airbyte", "verify")
    warehouse.build("--select", " ".join(history), *MODELS_ONLY)
    assert warehouse.rows(held) == states
    assert shop.told() == set()

    protocol = json.loads((shop.home / "privacy" / f"customer-{shop.customer}.json").read_text())
    [run] = protocol["runs"]
    assert run["finished"] and run["plan"] is None
    assert run["source"]["person.emailaddress"] == 1 and run["source"]["person.person"] == 1
    # the phone number that was given up before: raw kept it as the key of a deleted row
    assert run["warehouse"]["adventureworks_person.personphone"] == 2
    assert run["warehouse"]["snapshots.customers_snapshot"] == 2
    assert {"v1", "v2"} == set(run["published"])
    again = json.loads(shop.elt("privacy", "erase", "--yes", "--customer", str(shop.customer), "--json"))
    assert [sum(each["source"].values()) + sum(each["warehouse"].values()) for each in again["runs"][1:]] == [
        0
    ]


def shop_counts(shop: Shop) -> dict[str, int]:
    with shop.source.connect() as connection:
        return row_counts(connection)


def compared(before: dict[str, int], after: dict[str, int]) -> list[tuple[str, int, int]]:
    return [(name, before[name], after[name]) for name in before]


# -- killed in the middle


class Killed(BaseException):
    """As if the process ended here."""


@pytest.fixture
def served(shop: Shop) -> Shop:
    """The shop with two published versions, a snapshot and a chart's result, made by hand."""
    with duckdb.connect(shop.settings.warehouse_path) as connection:
        for schema in ("snapshots", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(
            "create table snapshots.customers_snapshot as select customerid as customer_id,"
            " concat_ws(' ', firstname, lastname) as customer_name,"
            f" case customerid when {shop.customer} then '999-555-7777' end as masked_phone"
            " from adventureworks_sales.customer join adventureworks_person.person on personid = businessentityid"
        )
        connection.execute(
            "create table marts.dim_customer as select md5(customer_id::varchar) as customer_key, * from snapshots.customers_snapshot"
        )
        connection.execute(
            "create table marts.obt_sales as select customer_key, customer_name from marts.dim_customer"
        )
        connection.execute("create table marts.built_from as select 'day' as name, 'some' as version")
    publish(shop.settings, "first")
    publish(shop.settings, "second")
    backup = shop.home / "backups" / "2025-01-01T000000Z"
    backup.mkdir(parents=True)
    with duckdb.connect(backup / "warehouse.duckdb") as connection:
        connection.execute(f"attach '{shop.settings.warehouse_path}' as source (read_only)")
        connection.execute("create schema snapshots")
        connection.execute(
            "create table snapshots.customers_snapshot as from source.snapshots.customers_snapshot"
        )
    seal(backup)
    shop.settings.superset_results_dir.mkdir(parents=True)
    (shop.settings.superset_results_dir / "chart").write_text("a result that Superset keeps: Quorthonsen")
    assert {"Xanthippe", "Quorthonsen"} <= shop.told()
    return shop


STEPS = {
    "before the source has committed": (erasing.erasure, "erase", 0),
    "before the warehouse is looked at": (marks, "scrub", 0),
    "before the warehouse's file is rewritten": (marks, "rewrite", 0),
    "while the first version is replaced": (marks, "rewrite", 1),
    "while the version that is shown is replaced": (marks, "scrub", 2),
    "while a backup is replaced": (marks, "rewrite", 3),
    "before the protocol is closed": (erasing.Protocol, "finish", 0),
}


ONE_OF_THEM = "while the version that is shown is replaced"  # the others are slow


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=[] if step == ONE_OF_THEM else pytest.mark.slow) for step in STEPS]
)
def test_an_erasure_that_was_killed_is_taken_up_and_nothing_is_left(
    served: Shop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, skipped = STEPS[step]
    real, calls = getattr(module, name), iter(range(100))

    def killed(*arguments):
        if next(calls) == skipped:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(Killed):
            erase(served.settings, served.customer)
    shown = duckdb.connect(served.settings.serving_path, read_only=True)
    shown.close()  # a reader is never without a version
    protocol = erase(served.settings, served.customer)
    assert (served.told(), served.source_told()) == (set(), set())
    [run] = protocol.runs
    assert run.finished and run.source["person.emailaddress"] == 1
    assert [each.current for each in versions(served.settings)] == [False, True]
    for file in (served.settings.warehouse_path, served.settings.serving_path):
        with duckdb.connect(file, read_only=True) as connection:  # the next build is one of everything
            assert connection.execute("from duckdb_tables() where table_name = 'built_from'").fetchall() == []
    for folder in backups(served.settings):
        verify(folder)  # `elt restore` takes it


@pytest.mark.slow
def test_an_erasure_waits_for_the_warehouse_and_a_killed_one_is_taken_up(served: Shop) -> None:
    command = [
        sys.executable,
        "-m",
        "elt.cli",
        "privacy",
        "erase",
        "--yes",
        "--customer",
        str(served.customer),
    ]
    with lease(served.settings.warehouse_path, "sync job 12"):
        process = subprocess.Popen(command, env=served.environ, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("source: ")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert served.source_told() == set() and "Quorthonsen" in served.told()
    served.elt("privacy", "erase", "--yes", "--customer", str(served.customer))
    assert served.told() == set()


def test_an_erasure_waits_for_a_backup_which_may_hold_the_person_already(
    served: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = served.home / "backups" / ".2025-01-02T000000Z"  # of a backup that was killed
    shutil.copytree(served.home / "backups" / "2025-01-01T000000Z", half)
    monkeypatch.setattr(erasing, "LEASE_WAIT_SECONDS", 0.1)
    with FileLock(served.home / "backups.lock"), pytest.raises(EltError, match="another `elt backup`"):
        erase(served.settings, served.customer)
    served.settings.warehouse_path.unlink()  # lost: what was published from it and the backups are still there
    erase(served.settings, served.customer)
    assert (served.told(), served.source_told()) == (set(), set())


def test_two_erasures_at_a_time_and_wrong_customers_are_one_clear_line(served: Shop) -> None:
    settings = served.settings
    with pytest.raises(EltError, match=r"the source has no customer 99999999 — look it up"):
        erase(settings, 99999999)
    [(store,)] = served.ask("select min(customerid) from sales.customer where personid is null")
    with pytest.raises(EltError, match="is a store without a contact"):
        erase(settings, store)
    served.write("update sales.customer set personid = (select min(businessentityid) from humanresources.employee) where customerid = {customer}")  # fmt: skip
    with pytest.raises(EltError, match="is an employee, too"):
        erase(settings, served.customer)
    assert not (settings.home / "privacy").exists()
    with FileLock(settings.home / "privacy.lock"), pytest.raises(EltError, match=r"another .* is at work"):
        erase(settings, served.customer)


def test_an_address_that_others_use_stays_as_it_is(served: Shop) -> None:
    served.write(
        """
        insert into person.businessentityaddress (businessentityid, addressid, addresstypeid, rowguid)
        select (select min(businessentityid) from sales.store), addressid, 3, gen_random_uuid()
        from person.businessentityaddress where businessentityid = {person}
        """
    )
    erase(served.settings, served.customer)
    assert served.source_told() == {"Zorn Alley"}
