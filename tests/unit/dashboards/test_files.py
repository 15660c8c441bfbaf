"""The files of infrastructure/preset: complaints name file and field; what is rendered comes back as the same files."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from dashboards import FOLDER
from dashboards.check import check
from dashboards.compare import compare
from dashboards.files import load
from dashboards.pull import pull
from dashboards.render import rendered, uuid_of
from foundation.errors import EltError
from foundation.settings import load_settings


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return load_settings({"ELT_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the files, to be spoiled."""
    return Path(shutil.copytree(FOLDER, tmp_path / "preset"))


def replace(path: Path, old: str, new: str) -> int:
    """Replace a text that the file has once or more; the line of the first."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("dataset", ["products", "github/repository_contributors", "posts/keywords"])
def test_totals_over_all_time_follow_no_filter_of_days(dataset):
    """Else it would leave out whoever did nothing in those days, and show the totals of all time of the others."""
    assert "time" not in yaml.safe_load((FOLDER / "datasets" / f"{dataset}.yaml").read_text())


@pytest.mark.parametrize("source", ["github", "posts", "weather"])
def test_a_board_of_another_source_says_how_new_that_source_is(source):
    """The shop may be new while nothing has come from there for days."""
    (board,) = (FOLDER / "dashboards" / source).glob("*.yaml")
    assert f"{board.stem}/Data as of" in board.read_text()


def test_rows_of_a_source_are_on_a_board_where_it_is_in_use(config, monkeypatch):
    def shown() -> str:
        return json.dumps(load("duckdb").dashboards["pipeline_health"].data["rows"])

    assert "lane/" not in shown()
    in_use = config.model_copy(update={"elt_sources": "adventureworks,stream"})
    monkeypatch.setattr("dashboards.files.settings", lambda: in_use)
    assert "lane/Streaming lane" in shown()


def test_a_pull_keeps_the_rows_of_a_source_that_is_not_in_use(config, folder):
    """The workspace does not have them."""
    export = rendered(config, load("duckdb", folder))
    export["dashboards/pipeline_health.yaml"]["description"] = "Another one."
    assert pull(config, export, load("duckdb", folder))
    written = yaml.safe_load((folder / "dashboards/pipeline_health.yaml").read_text())
    original = yaml.safe_load((FOLDER / "dashboards/pipeline_health.yaml").read_text())
    assert written == original | {"description": "Another one."}


def complaint(folder: Path, config) -> str:
    with pytest.raises(EltError) as refused:
        rendered(config, load("duckdb", folder))
    return str(refused.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("charts/sales_overview.yaml", "x_axis: product_category", "x_axis: product_categorie", "x_axis: the dataset"),
        ("charts/sales_overview.yaml", "metric: margin,", "metric: marge,", "metric: the dataset sales has no metric marge"),
        ("charts/sales_overview.yaml", "days_back < 7", "days_bak < 7", "days_bak"),
        ("charts/sales_overview.yaml", "dataset: sales", "dataset: sale", "there is no dataset sale"),
        ("datasets/sales.yaml", "  customer_name:", "  custumer_name:", "there is no column custumer_name"),
        ("datasets/geography.yaml", "as days_back", "as day_back", "there is no column days_back"),
        ("datasets/sales.yaml", "SUM(case when counts_as_revenue then discount", "SUM(case when counts then discount", "counts"),
        ("datasets/sales.yaml", "  orders: {", "  ordres: {", "the semantic layer has no metric ordres — did you mean orders?"),
        ("datasets/sales.yaml", "time: order_date", "time: order_number", "order_number is no column of dates"),
        ("datasets/sales_compared.yaml", "compares: sales", "compares: sale", "there is no dataset sale — did you mean sales?"),
        ("datasets/sales_compared.yaml", "change_of: revenue", "change_of: revenu", "the semantic layer has no metric revenu — did you mean revenue?"),
        ("datasets/sales_compared.yaml", " territory_name]", " teritory_name]", "there is no column teritory_name"),
        ("dashboards/sales_overview.yaml", "&months [sales_overview/Revenue by", "&months [sales_overview/Revenue bi", "no row shows the chart"),
        ("dashboards/sales_overview.yaml", "column: channel_name", "column: chanel_name", "no column chanel_name"),
        ("dashboards/sales_overview.yaml", "chart: sales_overview/Margin", "chart: sales_overview/Margins", "no chart sales_overview/Margins"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_reported_with_file_line_and_field(folder, config, file, old, new, words):
    line = replace(folder / file, old, new)
    told = complaint(folder, config)
    assert f"{file}, line" in told and words in told
    assert abs(int(re.search(r", line (\d+):", told)[1]) - line) <= 25  # SQL is reported at its first line


def test_a_metric_of_another_model_is_refused(folder, config):
    replace(folder / "datasets/sales.yaml", "  orders: {", "  spend:\n  orders: {")
    assert "spend is defined over fct_purchases, not over this dataset" in complaint(folder, config)


def test_a_chart_shows_the_metric_that_it_is_called_after(config):
    """ "Revenue by category" shows the metric of its dataset that people read as "Revenue"."""
    content = rendered(config)
    datasets = {Path(file).stem: held for file, held in content.items() if file.startswith("datasets/")}
    called = 0
    for file, title, chart in load("duckdb").every_chart():
        labels = {each["verbose_name"]: each["metric_name"] for each in datasets[chart["dataset"]]["metrics"]}
        names = [label for label in labels if f"{title} ".startswith(f"{label} ")]
        shown = [chart["params"].get("metric"), *chart["params"].get("metrics", [])]
        if names and any(shown):
            assert labels[max(names, key=len)] in shown, f"{file}/{title}"
            called += 1
    assert called >= 50


def test_every_uuid_follows_from_a_name_and_is_the_same_everywhere(config, tmp_path):
    elsewhere = load_settings({"ELT_HOME": str(tmp_path / "elsewhere")})
    here = {file: content["uuid"] for file, content in rendered(config).items()}
    assert here == {file: content["uuid"] for file, content in rendered(elsewhere).items()}
    assert len(set(here.values())) == len(here)
    assert here["dashboards/sales_overview.yaml"] == uuid_of("dashboard", "sales_overview")


def test_duckdb_is_read_only_closed_to_the_machine_and_bounded(config):
    database = rendered(config)["databases/adventureworks.yaml"]
    arguments = database["extra"]["engine_params"]["connect_args"]
    assert database["sqlalchemy_uri"] == f"duckdb:///{config.serving_path}"
    assert arguments["read_only"] is True
    assert arguments["config"]["enable_external_access"] == "false"
    assert arguments["config"]["lock_configuration"] == "true"
    assert arguments["config"]["memory_limit"]


def test_one_switch_turns_the_warehouse_to_snowflake_and_keeps_every_uuid(config):
    given = {
        "ELT_HOME": str(config.home),
        "DASHBOARDS_WAREHOUSE": "snowflake",
        "SNOWFLAKE_HOST": "acme-main.snowflakecomputing.com",
        "SNOWFLAKE_REPORTER_PRIVATE_KEY": "KEY",
    }
    duckdb, snowflake = rendered(config), rendered(load_settings(given))
    assert {f: c["uuid"] for f, c in duckdb.items()} == {f: c["uuid"] for f, c in snowflake.items()}
    database = snowflake["databases/adventureworks.yaml"]
    assert database["sqlalchemy_uri"] == (
        "snowflake://SUPERSET@acme-main/ANALYTICS/MARTS?role=REPORTER&warehouse=REPORTING"
    )
    assert json.loads(database["encrypted_extra"])["auth_params"]["privatekey_body"] == "KEY"
    assert {c["catalog"] for f, c in snowflake.items() if f == "datasets/sales.yaml"} == {"ANALYTICS"}
    with pytest.raises(EltError, match="SNOWFLAKE_REPORTER_PRIVATE_KEY is not set"):
        rendered(load_settings(given | {"SNOWFLAKE_REPORTER_PRIVATE_KEY": ""}))
    with pytest.raises(EltError, match="choose from duckdb, snowflake"):
        rendered(load_settings(given | {"DASHBOARDS_WAREHOUSE": "oracle"}))


def test_what_was_rendered_differs_in_nothing_and_pulls_nothing(config, folder):
    export = rendered(config)
    assert not compare(export, export)
    assert pull(config, export, load("duckdb", folder)) == []


def test_a_change_in_the_workspace_is_pulled_into_the_short_form_and_then_there_is_no_difference(
    config, folder
):
    export = rendered(config, load("duckdb", folder))
    chart = export["charts/sales_overview_revenue_by_category.yaml"]
    chart["params"]["show_value"] = False
    chart["params"]["datasource"] = "7__table"  # what a workspace adds is no change
    dashboard = export["dashboards/sales_overview.yaml"]
    dashboard["position"]["CHART-2-1"]["meta"]["width"] = 2
    sales = export["datasets/sales.yaml"]
    next(m for m in sales["metrics"] if m["metric_name"] == "orders")["d3format"] = ",.1f"
    written = pull(config, export, load("duckdb", folder))
    assert [path.relative_to(folder).as_posix() for path in written] == [
        "charts/sales_overview.yaml",
        "dashboards/sales_overview.yaml",
        "datasets/sales.yaml",
    ]
    charts = yaml.safe_load((folder / "charts/sales_overview.yaml").read_text())
    assert charts["Revenue by category"]["params"]["show_value"] is False
    assert "datasource" not in charts["Revenue by category"]["params"]
    rows = yaml.safe_load((folder / "dashboards/sales_overview.yaml").read_text())["rows"]
    assert rows[1]["items"][0] == {"chart": "sales_overview/Revenue", "width": 2}
    metrics = yaml.safe_load((folder / "datasets/sales.yaml").read_text())["metrics"]
    assert metrics["orders"] == {"format": ",.1f"}  # its SQL stays the semantic layer's
    assert not compare(rendered(config, load("duckdb", folder)), export)


def test_a_changed_label_of_a_change_is_pulled_and_what_it_is_the_change_of_stays(config, folder):
    export = rendered(config, load("duckdb", folder))
    held = export["datasets/purchases_compared.yaml"]
    next(m for m in held["metrics"] if m["metric_name"] == "spend_change")["verbose_name"] = "Money"
    assert pull(config, export, load("duckdb", folder))
    written = yaml.safe_load((folder / "datasets/purchases_compared.yaml").read_text())["metrics"]
    assert written["spend_change"] == {"change_of": "spend", "label": "Money", "format": "+.1%"}
    assert not compare(rendered(config, load("duckdb", folder)), export)


def test_a_layout_that_rows_cannot_say_is_kept_as_superset_has_it(config, folder):
    export = rendered(config, load("duckdb", folder))
    tree = export["dashboards/sales_overview.yaml"]["position"]
    tree["CHART-2-1"]["meta"]["height"] += 10  # higher than its neighbours
    pull(config, export, load("duckdb", folder))
    data = yaml.safe_load((folder / "dashboards/sales_overview.yaml").read_text())
    assert (
        "rows" not in data
        and data["position"]["CHART-2-1"]["meta"]["height"] == tree["CHART-2-1"]["meta"]["height"]
    )
    assert not compare(rendered(config, load("duckdb", folder)), export)


def test_only_what_these_files_made_would_be_removed(config):
    wanted = rendered(config)
    gone = {
        **wanted["charts/sales_overview_margin.yaml"],
        "uuid": uuid_of("chart", "gone"),
        "slice_name": "Gone",
    }
    others = {**gone, "uuid": uuid_of("chart", "other"), "slice_name": "Somebody's", "certified_by": None}
    difference = compare(wanted, {**wanted, "charts/1.yaml": gone, "charts/2.yaml": others})
    assert [item.name for item in difference.remove] == ["Gone"]
    assert [item.name for item in difference.foreign] == ["Somebody's"]
    assert list(difference.lines()) == ["- chart Gone"]


def test_dashboards_of_an_optional_source_are_there_only_where_it_is_in_use(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "dashboards.files.settings",
        lambda: load_settings({"ELT_HOME": str(tmp_path), "ELT_SOURCES": "adventureworks"}),
    )
    optional = {
        "web_traffic",
        "weather_and_sales",
        "open_source_activity",
        "what_people_talk_about",
        "two_companies",
        "live_operations",
    }
    assert not optional & set(load("duckdb").dashboards)
    sources = "adventureworks,web,weather,github,posts,totesys,stream"
    in_use = {"ELT_HOME": str(tmp_path), "ELT_SOURCES": sources}
    monkeypatch.setattr("dashboards.files.settings", lambda: load_settings(in_use))
    found = load("duckdb")
    assert optional <= set(found.dashboards)
    assert {"web_visits", "web_conversion", "web_funnel"} <= set(found.datasets)
    check(found)
