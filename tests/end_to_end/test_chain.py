"""The whole chain on generated data: demo, failure, trading days, silence of the sink. One stack, in this order."""

from __future__ import annotations

import json

import duckdb
import pytest

from adventureworks.database import connect_owner
from orchestration.monitoring import monitoring_path
from tests.end_to_end.conftest import in_source, messages


@pytest.fixture(scope="module")
def chain(demonstrated):
    """The stack that the demo left."""
    return demonstrated


def test_a_forced_failure_is_reported_with_task_reason_and_link_and_the_old_version_stays(chain):
    published = chain.settings.serving_path.resolve()
    with connect_owner(chain.settings) as connection:
        connection.execute("alter table sales.salesorderdetail rename to moved_away")
    before = len(messages(chain))
    try:
        run = chain.elt("run")
    finally:
        with connect_owner(chain.settings) as connection:
            connection.execute("alter table sales.moved_away rename to salesorderdetail")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "failed in" in run.stderr and "sync" in run.stderr
    new = messages(chain)[before:]
    told = {m["channel"]: json.dumps(m) for m in new if "fail" in json.dumps(m).lower()}
    assert (
        len([m for m in new if "fail" in json.dumps(m).lower()]) == len(told) == 2
    )  # Slack and mail, once each
    failure = told["slack"]
    assert "salesorderdetail" in told["email"]
    assert "sync" in failure  # the task
    assert "salesorderdetail" in failure  # the reason
    assert (
        f"http://127.0.0.1:{chain.settings.airflow_port}/dags/adventureworks_elt/runs/" in failure
    )  # the link
    assert chain.settings.serving_path.resolve() == published


def test_monitoring_knows_both_runs_with_their_job_their_models_and_why_one_failed(chain):
    with duckdb.connect(monitoring_path(chain.settings), read_only=True) as connection:
        good, bad = connection.execute(
            """
            select r.state, r.rows_synced > 0, r.models_built > 30, r.tests_passed > 100, r.version, r.first_failed_task, j.reason
            from mart_pipeline_runs r left join sync_jobs j on r.sync_job_id = j.job_id order by r.started_at
        """
        ).fetchall()
    assert good == ("success", True, True, True, 1, None, None)
    assert bad[0] == "failed" and bad[3:6] == (None, None, "sync") and "salesorderdetail" in bad[6]
    listing = chain.elt("runs").stdout.splitlines()
    assert "failed" in listing[1] and "sync" in listing[1] and "success" in listing[2]


@pytest.mark.timeout(1800)
def test_after_three_shop_days_raw_equals_source_and_marts_show_the_changes_even_with_the_sink_down(
    chain, shop_days, served
):
    assert shop_days.run.returncode == 0, shop_days.run.stdout + shop_days.run.stderr
    verify = chain.elt("airbyte", "verify")
    assert verify.returncode == 0, verify.stdout + verify.stderr

    days = shop_days.days
    for kind in ("new_orders", "new_lines", "status_changes", "price_changes", "late_corrections"):
        assert sum(day[kind] for day in days) > 0, kind
    new_lines = sum(day["new_lines"] - day["cleared_lines"] for day in days)
    assert served(chain, "select count(*) from marts.fct_sales")[0][0] == shop_days.lines + new_lines
    # new orders and status changes: every order, with its status and date
    orders = "select salesorderid::int, status::int, orderdate::date from sales.salesorderheader order by 1"
    assert (
        served(
            chain,
            """
        select order_id::int, status.order_status_id::int, strptime(order_date_key::varchar, '%Y%m%d')::date
        from marts.fct_orders join marts.dim_order_status as status using (order_status_key)
        order by 1
        """,
        )
        == in_source(chain, orders)
    )
    # late corrections: every line's amount, to the last digit
    lines = """
        select salesorderdetailid::int, (unitprice * (1 - unitpricediscount) * orderqty)::numeric(18, 6)
        from sales.salesorderdetail order by 1
    """
    assert served(
        chain, "select order_line_id::int, line_total from marts.fct_sales order by 1"
    ) == in_source(chain, lines)
    # price changes: the version of each product that is valid last has the price of the source's open history row
    prices = """
        select productid::int, listprice::numeric(18, 4) from production.productlistpricehistory
        where enddate is null order by 1
    """
    assert set(in_source(chain, prices)) <= set(
        served(
            chain,
            "select product_id::int, list_price::decimal(18, 4) from marts.dim_product"
            " where valid_to = timestamp '9999-12-31'",
        )
    )
