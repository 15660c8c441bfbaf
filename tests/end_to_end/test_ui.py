"""Airflow's pages in a headless Chromium: log in, trigger with parameters, watch the graph go green, open a model's log."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from foundation.settings import ROOT
from tests.fixtures.site import DAG, Site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync"]
IMAGES = ROOT / "docs" / "images"
expect.set_options(timeout=60_000)  # milliseconds

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def site(demonstrated):
    """The stack of the other tests, up whatever they left."""
    up = demonstrated.elt("up")
    assert up.returncode == 0, up.stderr
    return Site(demonstrated)


@pytest.fixture
def page(site, tmp_path):
    """A page of a new browser, logged in as the admin."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path,
            executable_path=CHROMIUM,
            args=FLAGS,
            headless=True,
            viewport={"width": 1600, "height": 1000},
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{site.config.airflow_base}/auth/login/")
        page.fill("#username", site.config.airflow_admin_user)
        page.fill("#password", site.config.airflow_admin_password.get_secret_value())
        page.click("input[type=submit]")
        page.wait_for_url(re.compile(rf"{site.config.airflow_base}/?$"))
        yield page
        browser.close()


def shoot(page, name: str) -> None:
    """A picture for the documentation."""
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png")


def test_a_run_is_triggered_with_parameters_watched_and_its_log_read(site, page):
    page.goto(f"{site.config.airflow_base}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.locator("#element_select").fill("fct_orders fct_sales")
    shoot(page, "airflow-trigger")
    with page.expect_response(re.compile(r"/dagRuns$")) as answer:
        form.get_by_role("button", name="Trigger").last.click()
    run = answer.value.json()["dag_run_id"]
    assert answer.value.json()["conf"]["select"] == "fct_orders fct_sales"

    page.goto(f"{site.config.airflow_base}/dags/{DAG}/runs/{run}")
    assert site.end(run) == "success"
    page.reload()
    expect(page.get_by_text("Success").first).to_be_visible()
    shoot(page, "airflow-run")
    page.goto(f"{site.config.airflow_base}/dags/{DAG}/runs/{run}/tasks/dbt.fct_sales")
    expect(page.get_by_text(re.compile("built and tested: model.adventureworks.fct_sales"))).to_be_visible()
    shoot(page, "airflow-log")


@pytest.mark.slow
def test_the_documentation_of_the_marts_is_shown(site, page):
    dag = "adventureworks_docs"
    with site.api as api:
        api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
    assert site.end(site.trigger(dag), dag=dag) == "success"
    answer = page.goto(f"{site.config.airflow_base}/cosmos/adventureworks/dbt_docs_index.html")
    assert answer.ok and "fct_sales" in page.content()
