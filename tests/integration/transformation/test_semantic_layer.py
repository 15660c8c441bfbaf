"""The metrics, asked of MetricFlow, against plain SQL on the built warehouse."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from dashboards.semantic import metrics as of_dashboards
from tests.integration.transformation.conftest import Built
from tests.integration.transformation.raw_layer import BIN, Warehouse
from transformation.project import PROJECT

REVENUE = "order_status_key in (select order_status_key from marts.dim_order_status where order_status_id not in (4, 6))"
FIRST_ORDERS = f"""
    select customer_id, min(ordered_at) as first_ordered_at, count(*) as orders
    from marts.fct_orders join marts.dim_customer using (customer_key)
    where customer_key <> '-1' and {REVENUE} group by customer_id
"""

# What each metric is by definition, in SQL on facts rather than on what the semantic model reads.
PLAIN = {
    "revenue": f"select sum(line_total) from marts.fct_sales where {REVENUE}",
    "orders": f"select count(distinct order_id) from marts.fct_sales where {REVENUE}",
    "average_order_value": f"select sum(line_total) / count(distinct order_id) from marts.fct_sales where {REVENUE}",
    "margin": f"select sum(line_total - standard_cost) from marts.fct_sales where {REVENUE}",
    "quantity_sold": f"select sum(order_quantity) from marts.fct_sales where {REVENUE}",
    "new_customers": f"select count(*) from ({FIRST_ORDERS})",
    "returning_customers": f"select count(*) from ({FIRST_ORDERS}) where orders >= 2",
    "repeat_rate": f"select count(*) filter (orders >= 2) / count(*) from ({FIRST_ORDERS})",
    "shipped_orders": "select count(*) from marts.fct_orders where ship_date_key <> -1",
    "orders_shipped_on_time": "select count(*) from marts.fct_orders where shipped_at <= due_at",
    "on_time_rate": "select count(*) filter (is_shipped_on_time) / count(*) from marts.fct_orders where ship_date_key <> -1",
    "spend": """
        select sum(unitprice::decimal(18, 4) * orderqty) from adventureworks_purchasing.purchaseorderdetail
        join adventureworks_purchasing.purchaseorderheader using (purchaseorderid) where status <> 3
    """,
    "received_quantity": "select sum(receivedqty) from adventureworks_purchasing.purchaseorderdetail",
    "rejected_quantity": "select sum(rejectedqty) from adventureworks_purchasing.purchaseorderdetail",
    "reject_rate": "select sum(rejectedqty) / sum(receivedqty) from adventureworks_purchasing.purchaseorderdetail",
    "work_order_quantity": "select sum(orderqty) from adventureworks_production.workorder",
    "scrapped_quantity": "select sum(scrappedqty) from adventureworks_production.workorder",
    "scrap_rate": "select sum(scrappedqty) / sum(orderqty) from adventureworks_production.workorder",
    "quota": "select sum(quota_amount) from marts.fct_sales_quotas",
    "quota_revenue": "select sum(revenue) from marts.fct_sales_quotas",
    "quota_attainment": "select sum(revenue) / sum(quota_amount) from marts.fct_sales_quotas",
    "summed_stock_value": "select sum(stock_value) from marts.fct_inventory_daily",
    "stock_days": "select count(distinct date_key) from marts.fct_inventory_daily",
    "mean_daily_stock_value": """
        select avg(value) from (select sum(stock_value) as value from marts.fct_inventory_daily group by date_key)
    """,
}
BY_DAY = ("cost_of_365_days", "stock_turns")  # they mean something for a day only


class DuckDb:
    """The part of MetricFlow's client that writing a query needs."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()


class Metrics:
    """MetricFlow over what a build has left: its semantic manifest and its warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.manifest = (warehouse.target / "semantic_manifest.json").read_text()
        lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(self.manifest))
        self.engine = MetricFlowEngine(semantic_manifest_lookup=lookup, sql_client=DuckDb())

    def names(self) -> set[str]:
        """All metrics."""
        return {metric["name"] for metric in json.loads(self.manifest)["metrics"]}

    def query(self, *metrics: str, by: tuple[str, ...] = ()) -> list[tuple]:
        """Rows: what was grouped by, then the metrics."""
        request = MetricFlowQueryRequest.create(metric_names=list(metrics), group_by_names=list(by))
        return self.warehouse.rows(self.engine.explain(request).sql_statement.sql)


@pytest.fixture(scope="session")
def metrics(second_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """The small shop, with an order rejected and lines sold of late: stock is known from today on only."""
    warehouse = second_build.warehouse.copy(tmp_path_factory.mktemp("metrics"))
    for name in ("semantic_manifest.json", "manifest.json"):
        (warehouse.target / name).write_text((second_build.warehouse.target / name).read_text())
    with duckdb.connect(warehouse.path) as connection:
        rejected = "(select order_status_key from marts.dim_order_status where order_status_id = 4)"
        for table in ("fct_orders", "fct_sales"):
            connection.execute(f"update marts.{table} set order_status_key = {rejected} where order_id = 9")
        connection.execute("update marts.obt_sales set counts_as_revenue = false where order_id = 9")
        connection.execute("update marts.obt_sales set order_date = current_date - 364 where order_id = 1")
        connection.execute("update marts.obt_sales set order_date = current_date - 365 where order_id = 7")
    return Metrics(warehouse)


@pytest.mark.parametrize("metric", PLAIN)
def test_metric_is_what_plain_sql_says(metrics: Metrics, metric: str) -> None:
    if metric in ("new_customers", "returning_customers", "repeat_rate"):
        # mart_customer_insights was built before order 9 was rejected: its customer has others
        assert metrics.warehouse.row(
            "select count(*) > 1 from marts.fct_orders where order_id in (9, 10)"
        ) == (True,)
    ((found,),) = metrics.query(metric)
    (expected,) = metrics.warehouse.row(PLAIN[metric])
    assert expected, "a metric that is nothing shows nothing"
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12)
    else:
        assert found == expected


@pytest.mark.parametrize("metric", sorted(set(of_dashboards()) & set(PLAIN)))  # not those of optional sources
def test_dashboards_compute_what_metricflow_computes(metrics: Metrics, metric: str) -> None:
    shared = of_dashboards()[metric]
    (found,) = metrics.warehouse.row(f"select {shared.sql} from marts.{shared.model}")
    ((expected,),) = metrics.query(metric)
    assert found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected)


def test_only_metrics_that_need_a_calendar_are_left_to_metricflow(metrics: Metrics) -> None:
    assert metrics.names() - set(of_dashboards()) == set(BY_DAY)


def test_every_metric_is_tested(metrics: Metrics) -> None:
    assert metrics.names() == set(PLAIN) | set(BY_DAY)


def test_stock_turns_of_a_day_are_the_cost_of_365_days_by_the_stock(metrics: Metrics) -> None:
    cost = metrics.warehouse.row("select sum(standard_cost) from marts.obt_sales where order_id = 1")[0]
    older = metrics.warehouse.row("select sum(standard_cost) from marts.obt_sales where order_id = 7")[0]
    ((stock),) = metrics.warehouse.rows(
        "select sum(stock_value) from marts.fct_inventory_daily where date_day = current_date"
    )
    rows = metrics.query(*BY_DAY, by=("metric_time__day",))
    (today,) = [row for row in rows if row[2] is not None]
    others = metrics.warehouse.row(
        "select coalesce(sum(standard_cost), 0) from marts.obt_sales where counts_as_revenue"
        " and order_id not in (1, 7) and order_date > current_date - 365"
    )[0]
    assert older > 0
    assert today[1] == cost + others
    assert today[2] == pytest.approx(float((cost + others) / stock[0]))


def test_metrics_break_down_by_dimensions_of_their_own_and_of_others(metrics: Metrics) -> None:
    by_category = dict(metrics.query("revenue", by=("order_line__product_category",)))
    expected = metrics.warehouse.rows(
        f"""
        select product_category, sum(line_total) from marts.fct_sales
        join marts.dim_product using (product_key) where {REVENUE} group by all
        """
    )
    assert by_category == dict(expected)
    assert len(by_category) > 1
    by_channel = dict(metrics.query("on_time_rate", by=("channel__channel_name",)))
    assert set(by_channel) == {"Online", "Reseller"}
    by_month = dict(metrics.query("revenue", by=("metric_time__month",)))
    assert sum(by_month.values(), Decimal()) == sum(by_category.values(), Decimal())


@pytest.mark.parametrize(
    ("granularity", "column"),
    [
        ("fiscal_year", "fiscal_year"),
        ("fiscal_quarter", "fiscal_quarter_start"),
        ("fiscal_month", "month_start"),
        ("fiscal_445_month", "fiscal_445_month_start"),
    ],
)
def test_metrics_are_asked_by_fiscal_periods(metrics: Metrics, granularity: str, column: str) -> None:
    found = metrics.query("revenue", by=(f"metric_time__{granularity}",))
    expected = metrics.warehouse.rows(
        f"select d.{column}, sum(line_total) from marts.obt_sales join marts.dim_date as d on d.date_day = order_date"
        " where counts_as_revenue group by all"
    )
    assert len(expected) > 1
    assert {str(period)[:10]: revenue for period, revenue in found if revenue} == {
        str(period)[:10]: revenue for period, revenue in expected
    }


ZERO_WHERE_NOTHING_IS = {
    "revenue": "coalesce(sum(line_total) filter (counts_as_revenue), 0) from spine left join marts.obt_sales on order_date = date_day",
    "orders": "count(distinct order_id) filter (counts_as_revenue) from spine left join marts.obt_sales on order_date = date_day",
    "spend": "coalesce(sum(line_total) filter (counts_as_spend), 0) from spine left join marts.fct_purchases on order_date_key = date_key",
    "scrapped_quantity": "coalesce(sum(scrapped_quantity), 0) from spine left join marts.fct_work_orders on start_date_key = date_key",
    # without a denominator there is no ratio
    "scrap_rate": "sum(scrapped_quantity) / nullif(sum(ordered_quantity), 0) from spine left join marts.fct_work_orders on start_date_key = date_key",
}  # fmt: skip


@pytest.mark.parametrize("metric", ZERO_WHERE_NOTHING_IS)
def test_months_without_rows_are_zero_and_ratios_nothing(metrics: Metrics, metric: str) -> None:
    found = metrics.query(metric, by=("metric_time__month",))
    expected = metrics.warehouse.rows(
        f"with spine as (from marts.dim_date where date_day is not null)"
        f" select month_start, {ZERO_WHERE_NOTHING_IS[metric]} group by all"
    )
    assert {str(month)[:10]: value for month, value in found} == {
        str(month): pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for month, value in expected
    }
    assert {value for _, value in expected} & {0, None}


def test_analyst_asks_on_the_command_line_without_network(metrics: Metrics, tmp_path: Path) -> None:
    project = tmp_path / "project"  # mf looks for dbt's artefacts in the project's own folder
    project.mkdir()
    for each in PROJECT.iterdir():
        if each.name not in ("target", "logs"):
            (project / each.name).symlink_to(each)
    (project / "target").mkdir()
    (project / "target" / "semantic_manifest.json").write_text(metrics.manifest)
    environ = metrics.warehouse.environ | {
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(project),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        # whoever asks for a page gets nowhere
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    }
    answer = tmp_path / "answer.csv"
    words = [
        "query",
        "--metrics",
        "revenue,orders",
        "--group-by",
        "order_line__channel_name",
        "--csv",
        answer,
    ]
    words += ["--order", "order_line__channel_name"]
    done = subprocess.run(
        [BIN / "mf", *words], cwd=project, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = answer.read_text().splitlines()
    assert lines[0].lower() == "order_line__channel_name,revenue,orders"
    assert [line.split(",")[0] for line in lines[1:]] == ["Online", "Reseller"]
