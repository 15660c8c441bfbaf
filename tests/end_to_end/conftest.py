"""One stack for the end-to-end tests of a run: generated data first, then the original's in its place.

The demo's own tests keep the home that it leaves (`keep`); the others of the same code and day go on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from adventureworks.database import connect_owner
from dashboards.browser import browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import ROOT
from tests.fixtures.kept import kept, place
from tests.fixtures.stack import Stack
from tests.fixtures.superset import login_of


@pytest.fixture(scope="session")
def whole_stack(make_stack) -> Stack:
    """The stack, not started; taken down at the end of the run."""
    return make_stack("end-to-end", ELT_SCHEDULE="manual", AW_SCALE=SCALE)


SCALE = "0.05"
MADE_BY = [
    ROOT / name
    for name in ("data-integration", "data-orchestration", "data-transformation", "infrastructure", "uv.lock")
]


def keep(stack: Stack) -> None:
    """Keep the home of a stack that is down after its demo."""

    def copy(draft: Path) -> list[str]:
        copied(stack.home, draft / "home")
        return []

    kept("demo", MADE_BY, copy, SCALE)


def copied(home: Path, to: Path) -> None:
    """A copy with owners and modes: PostgreSQL refuses a folder of anybody else."""
    subprocess.run(["cp", "-a", home, to], check=True)


@pytest.fixture(scope="session")
def demo(whole_stack) -> Stack:
    """The stack, on which `elt demo` ran once, without its trading day; `demo` is what it said."""
    whole_stack.demo = whole_stack.elt("demo", SHOP="off")
    assert whole_stack.demo.returncode == 0, whole_stack.demo.stdout[-3000:] + whole_stack.demo.stderr[-3000:]
    return whole_stack


@pytest.fixture(scope="session")
def demonstrated(whole_stack, request) -> Stack:
    """A stack as a demo leaves it: up, on a copy of a kept home in a place and on ports of its own; else by a demo."""
    home = place("demo", MADE_BY, SCALE) / "home"
    if not home.is_dir():
        return request.getfixturevalue("demo")
    whole_stack.home.rmdir()
    copied(home, whole_stack.home)
    for words in ("up",), ("airbyte", "apply"):
        done = whole_stack.elt(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    return whole_stack


@pytest.fixture(scope="session")
def superset(demonstrated) -> Stack:
    """The stack with Superset, which the demo started."""
    up = demonstrated.elt("up", "superset")
    assert up.returncode == 0, up.stderr
    return demonstrated


@dataclass
class ShopDays:
    """`lines`, `revenue`: of the published file, and on the analyst's screen (None without a browser), before these days."""

    lines: int
    revenue: str | None
    days: list[dict[str, Any]]
    run: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def shop_days(superset, served) -> ShopDays:
    """Three trading days and an odd discount, then a run whose notices nobody takes."""
    revenue = None
    if find_browser():
        with browser(superset.settings.superset_url) as context:
            page = login(context, *login_of(superset.settings, "analyst"))
            board = open_dashboard(page, "sales-overview", charts_of(load("duckdb"), "sales_overview"))
            revenue = board.text("Revenue")
    lines = served(superset, "select count(*) from marts.fct_sales")[0][0]
    days = []
    for _ in range(3):
        day = superset.elt("shop", "day", "--json")
        assert day.returncode == 0, day.stderr
        days.append(json.loads(day.stdout))
    with connect_owner(superset.settings) as connection:
        newest = "(select max(salesorderdetailid) from sales.salesorderdetail)"
        connection.execute(
            f"update sales.salesorderdetail set unitpricediscount = 1.5 where salesorderdetailid = {newest}"
        )
    assert superset.elt("down", "sink").returncode == 0
    run = superset.elt("run")
    assert superset.elt("up", "sink").returncode == 0
    return ShopDays(lines, revenue, days, run)


@pytest.fixture(scope="session")
def original_folder() -> Path:
    """The folder of the original CSVs; skips, saying so, when it is missing."""
    folder = Path(os.environ.get("AW_DATA") or ROOT.parent / "shared" / "adventureworks").resolve()
    if not folder.is_dir():
        pytest.skip(f"the original data is not here: no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def served():
    """Ask the published file of a stack."""

    def ask(stack: Stack, query: str) -> list[tuple]:
        with duckdb.connect(str(stack.settings.serving_path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    return ask


def in_source(stack: Stack, query: str) -> list[tuple]:
    with connect_owner(stack.settings) as connection:
        return connection.execute(query).fetchall()


def messages(stack: Stack) -> list[dict]:
    config = stack.settings
    answer = httpx.get(
        f"http://127.0.0.1:{config.sink_port}/messages",
        headers={"Authorization": f"Bearer {config.slack_webhook_token.get_secret_value()}"},
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["messages"]
