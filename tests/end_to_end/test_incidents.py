"""Ten incidents on one real stack, as somebody on call meets them: what Slack, `elt status`, `elt runs` and the dashboards say, and
how long it takes until analysts see the right figures. The rows of the table in docs/operate.md are made of what was played. Slow.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from adventureworks.database import connect_owner
from dashboards.browser import Dashboard, browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from tests import incidents
from tests.fixtures.site import Site
from tests.fixtures.small_disk import mount, unmount
from tests.fixtures.superset import login_of
from tests.fixtures.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_browser() is None, reason="there is no Chromium: apt-get install chromium"),
]

PRODUCER = "dbt.dbt_producer_watcher"
ANOTHER_QUANTITY = (
    "update adventureworks_sales.salesorderdetail set orderqty = orderqty + 1 where salesorderdetailid = 7"
)
BY_HAND = (":arrow_forward:", ":white_check_mark:")  # what only a run that somebody has triggered tells
TOLD = 200  # characters of a message in the table
SHOWN = """
    select sum(line_total) from marts.obt_sales
    where counts_as_revenue and order_date > (select max(order_date) from marts.obt_sales) - 365
"""
SOLD = """
    with lines as (
        select orderdate::date as day, status, unitprice * (1 - unitpricediscount) * orderqty as amount
        from sales.salesorderheader join sales.salesorderdetail using (salesorderid)
    )
    select sum(amount) from lines where status not in (4, 6) and day > (select max(day) from lines) - 365
"""


class Incident:
    """What is seen of one incident, while it is played."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self.before = dollars(site.served(SHOWN))
        self.first = len(site.taken())
        self.messages = self.status = self.runs = self.boards = self.remedy = ""
        self.seconds = 0.0

    def told(self) -> list[str]:
        """What Slack took since the incident began, without what a run by hand tells."""
        taken = [message for message in self.site.taken()[self.first :] if message["channel"] == "slack"]
        texts = [message["text"].replace(str(self.site.config.home), "ELT_HOME") for message in taken]
        return [text for text in texts if not text.startswith(BY_HAND)]

    def look(self, *, data: str = "right") -> None:
        """Note what messages, `elt status`, `elt runs` and dashboards say now. `data`: of the shop, right or wrong."""
        mailed = any(message["channel"] == "email" for message in self.site.taken()[self.first :])
        self.messages = "<br>".join(map(short, self.told())) or "none"
        self.messages += " (also by e-mail)" if mailed else ""
        self.status = self._status()
        [last] = json.loads(self.site.stack.elt("runs", "-n", "1", "--json").stdout)
        where = last["first_failed_node"] or last["first_failed_task"]
        self.runs = f"failed in `{where}`" if last["state"] == "failed" else last["state"]
        money, health = on_the_boards(self.site)
        figures = {self.before: "as before", dollars(self.site.source(SOLD)): f"of the {data} data"}
        self.boards = f"last run {health}; revenue {figures.get(money, 'wrong')}"

    def _status(self) -> str:
        shown = json.loads(self.site.stack.elt("status", "--json").stdout)
        ill = {
            f"`{each['program']}` {each['state'] if each['state'] != 'running' else 'does not answer'}"
            for each in shown["programs"]
            if not each["healthy"]
        }
        warned = [said for said in shown["warnings"] if self.name == "backup missing" or "backup" not in said]
        said = "; ".join([*sorted(ill), *warned]).replace(str(self.site.config.home), "ELT_HOME")
        return re.sub(r" since \d{4}-[^:]+:\d\d:[^:]+", "", said) or "all healthy"

    @contextmanager
    def recovery(self, remedy: str = "none") -> Iterator[None]:
        """Measure how long the block takes, and note what is told meanwhile. `remedy`: what it does, as one types it."""
        self.remedy = remedy
        told, started = len(self.told()), time.monotonic()
        yield
        self.seconds = time.monotonic() - started
        if (later := self.told()[told:]) and self.messages:
            self.messages += "<br>then: " + "<br>".join(map(short, later))

    def elt(self, *words: str) -> None:
        done = self.site.stack.elt(*words)
        assert done.returncode == 0, (words, done.stdout + done.stderr)


def short(text: str) -> str:
    """A message's headline and reason, without what differs each time."""
    headline, *facts = text.splitlines()
    kept = [fact for fact in facts if re.match(r"\*(Reason|Failed before):|•", fact)]
    said = " ".join([re.sub(r"^:\w+: ", "", headline).removesuffix(" · local") + ".", *kept])
    said = re.sub(r", first at .*? UTC|(?<=127\.0\.0\.1):\d+", "", said.replace("*", ""))
    said = re.sub(r"(?<=ELT_HOME/)[^\s\"':]+", "…", said)  # versions, and names by chance
    return said if len(said) <= TOLD else said[: TOLD - 1] + "…"


def dollars(rows: list[tuple[Decimal]]) -> str:
    """A sum as the dashboard writes it."""
    return f"${rows[0][0]:,.0f}"


def on_the_boards(site: Site) -> tuple[str, str]:
    """The revenue on the analyst's Sales overview, and the state of the DAG's last run on Pipeline health."""
    assets = load("duckdb")
    with browser(site.config.superset_url) as context:
        page = login(context, *login_of(site.config, "analyst"))

        def board(name: str) -> Dashboard:
            opened = open_dashboard(page, name.replace("_", "-"), charts_of(assets, name))
            assert opened.failures() == []
            return opened

        tile = board("sales_overview").text("Revenue")
        runs = board("pipeline_health").text("Last run of each DAG")
    money, state = re.search(r"^\$[\d,]+$", tile, re.M), re.search(r"adventureworks_elt\s+(\w+)", runs)
    assert money and state, (tile, runs)
    return money[0], state[1]


@pytest.fixture(scope="module")
def site(make_stack) -> Iterator[Site]:
    """A stack after its demo, whose published versions have a small disk of their own, where one can be mounted."""
    stack = make_stack("incidents", ELT_SCHEDULE="manual", AW_SCALE="0.02")
    serving = stack.home / "serving"
    serving.mkdir()
    why_no_disk = mount(serving, 3500)
    try:
        demo = stack.elt("demo", SHOP="off")
        assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]
        yield Site(stack)
    finally:
        stack.elt("down")
        if not why_no_disk:
            unmount(serving)


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, incidents.Row]]:
    """The rows of the table, by incident; those of the incidents that were played are written into the page."""
    found: dict[str, incidents.Row] = {}
    yield found
    incidents.write(found.values())


@pytest.fixture
def play(site, rows):
    """Begin an incident after a trading day that no run has seen; at its end all is right, and its row is kept."""

    @contextmanager
    def played(name: str) -> Iterator[Incident]:
        assert name in incidents.NAMES
        assert site.stack.elt("shop", "day").returncode == 0
        incident = Incident(site, name)
        yield incident
        site.all_is_right()
        assert dollars(site.served(SHOWN)) == dollars(site.source(SOLD))
        assert not [
            each
            for each in json.loads(site.stack.elt("status", "--json").stdout)["programs"]
            if not each["healthy"]
        ]
        cells = (incident.messages, incident.status, incident.runs, incident.boards, incident.remedy)
        rows[name] = incidents.Row(name, *cells, round(incident.seconds))

    return played


def test_airbyte_that_is_down(site, play):
    with play("Airbyte down") as seen:
        seen.elt("down", "airbyte")
        assert site.run() == "failed"
        seen.look()
        [told] = seen.told()
        assert "failed in `sync`" in told and "does not answer" in told
        assert "`airbyte` stopped" in seen.status and seen.runs == "failed in `sync`"
        with seen.recovery("`elt up airbyte`, `elt run`"):
            seen.elt("up", "airbyte")
            seen.elt("run")
        assert "recovered" in seen.messages


def test_a_row_of_raw_that_somebody_changed(site, play):
    with play("raw row changed") as seen:
        site.raw(ANOTHER_QUANTITY)
        assert site.run() == "failed"
        seen.look()
        [told] = seen.told()
        assert "failed in `reconcile`" in told and "salesorderdetailid=7 differs in orderqty" in told
        with seen.recovery("`elt airbyte refresh adventureworks`, `elt run`"):
            seen.elt("airbyte", "refresh", "adventureworks")
            seen.elt("run")
        assert "recovered" in seen.messages


def test_a_data_test_that_fails(site, play):
    failing = "primary_key_fct_orders_order_key"
    with play("data test failed") as seen:
        site.raw("insert into marts.fct_orders from marts.fct_orders limit 1")
        assert site.run(select="fct_orders") == "failed"
        seen.look()
        [told] = seen.told()
        assert f"failed in `{PRODUCER}`" in told and f"{failing}: 1 row" in told
        assert seen.runs == f"failed in `{failing}`"
        with seen.recovery("correct the data or the model, `elt run`"):
            seen.elt("run")
        assert "recovered" in seen.messages


def test_a_scheduler_that_is_killed(site, play):
    with play("scheduler killed") as seen:
        run = site.trigger()
        site.await_task(run, PRODUCER)
        with seen.recovery():
            os.kill(site.pid("airflow-scheduler"), signal.SIGKILL)
            outcome = site.end(run)
            if outcome == "failed":
                seen.remedy = "`elt run`"
                seen.elt("run")
        seen.look()
        assert len([told for told in seen.told() if told.startswith(":x:")]) == (outcome == "failed")


def test_a_disk_that_is_nearly_full(site, play):
    serving = site.config.serving_path.parent.parent
    if not os.path.ismount(serving):
        pytest.skip("no small disk can be mounted here")
    filler = serving / "filler"
    with play("disk nearly full") as seen:
        free = os.statvfs(serving)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))
        assert site.run() == "failed"
        seen.look()
        [told] = seen.told()
        assert "failed in `publish`" in told and "the last version is still shown" in told
        assert "serving has 0.0 GB free" in seen.status and seen.boards.endswith("as before")
        with seen.recovery("free some space, `elt run`"):
            filler.unlink()
            seen.elt("run")
        assert "recovered" in seen.messages


def test_a_bad_version_that_was_published(site, play):
    price = "update sales.salesorderdetail set unitprice = unitprice {} 100 where salesorderid = (select max(salesorderid) from sales.salesorderheader)"
    with play("bad version published") as seen:
        site.source(price.format("*"))
        assert site.run() == "success"
        seen.look(data="wrong")
        assert seen.boards.endswith("of the wrong data")
        with seen.recovery(
            "`elt publish --rollback`; then correct the data, `elt publish --resume`, `elt run`"
        ):
            seen.elt("publish", "--rollback")
        assert on_the_boards(site)[0] == seen.before
        seen.status = f"after the rollback: {seen._status()}"
        assert "is held: runs publish nothing" in seen.status
        site.source(price.format("/"))
        seen.elt("publish", "--resume")
        seen.elt("run")


def test_a_run_that_down_has_cut(site, play):
    with play("run cut by `down`") as seen:
        run = site.trigger()
        site.await_task(run, PRODUCER)
        seen.elt("down")
        assert site.stack.processes() == []
        with seen.recovery("`elt up`"):
            seen.elt("up")
            outcome = site.end(run)
            if outcome == "failed":
                seen.remedy = "`elt up`, `elt run`"
                seen.elt("run")
        seen.look()
        assert len([told for told in seen.told() if told.startswith(":x:")]) == (outcome == "failed")


def test_a_source_that_is_restarted(site, play):
    with play("source restarted") as seen:
        with connect_owner(site.config) as locking:  # it keeps the sync under way
            locking.execute("insert into sales.currency (currencycode, name) values ('XYZ', 'New money')")
            locking.commit()
            locking.execute("lock table sales.currency in access exclusive mode")
            run = site.trigger()
            site.await_task(run, "sync")
            wait_until(
                lambda: "running" in site.stack.elt("airbyte", "jobs", "--status", "running").stdout, 60
            )
            with seen.recovery():
                os.kill(site.pid("source"), signal.SIGINT)  # a fast shutdown; the supervisor starts it again
                locking.close()
                assert site.end(run) == "success"
        seen.look()
        assert seen.told() == [] and seen.status == "all healthy"
        site.source("delete from sales.currency where currencycode = 'XYZ'")


def test_a_slack_that_is_down_while_a_run_fails(site, play):
    with play("Slack down") as seen:
        seen.elt("down", "sink")
        site.raw(ANOTHER_QUANTITY)
        assert site.run() == "failed"
        seen.look()
        assert seen.messages == "none" and "`sink` stopped" in seen.status
        assert seen.runs == "failed in `reconcile`" and "last run failed" in seen.boards
        with seen.recovery("`elt up sink`, then as for a raw row"):
            seen.elt("up", "sink")
            seen.elt("airbyte", "refresh", "adventureworks")
            seen.elt("run")
        assert "recovered" in seen.messages and "Failed before: 1 time" in seen.messages


def test_a_backup_that_is_missing(site, play):
    with play("backup missing") as seen:
        assert site.run() == "success"
        seen.look()
        assert seen.status.startswith("there is no backup — `elt backup` makes one")
        with seen.recovery("`elt backup`"):
            seen.elt("backup")
        assert "backup" not in site.stack.elt("status").stdout
