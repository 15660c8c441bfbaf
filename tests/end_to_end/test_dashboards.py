"""Dashboards on the stack that the demo left: as code through the real API, and who may do what."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
import yaml

from dashboards import FOLDER
from dashboards.bundle import unzipped, zipped
from dashboards.compare import normal
from tests.fixtures.superset import FORM_TOKEN, access_token, login_of, session

PATIENCE = 60.0  # seconds: the machine may be busy with other tests


@pytest.fixture(scope="module")
def admin(superset) -> Iterator[httpx.Client]:
    with session(superset.settings, "admin") as client:
        yield client


@pytest.fixture(scope="module")
def analyst(superset) -> Iterator[httpx.Client]:
    with session(superset.settings, "analyst") as client:
        yield client


@pytest.fixture
def folder(tmp_path):
    """A copy of the files."""
    return shutil.copytree(FOLDER, tmp_path / "preset")


def chart_id(admin: httpx.Client, title: str) -> int:
    query = f"(filters:!((col:slice_name,opr:eq,value:'{title}')))"
    [chart] = admin.get("/api/v1/chart/", params={"q": query}).json()["result"]
    return chart["id"]


def test_after_the_demo_there_is_no_difference_between_files_and_superset(superset):
    for verb in ("plan", "drift", "push", "pull"):
        done = superset.elt("dashboards", verb)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no difference" in done.stdout or "0 created, 0 changed" in done.stdout


def test_what_was_exported_imports_again_without_a_difference(admin):
    before = unzipped(admin.get("/api/v1/assets/export/").content)
    answer = admin.post("/api/v1/assets/import/", files={"bundle": ("assets.zip", zipped(before))})
    assert answer.status_code == 200, answer.text
    after = unzipped(admin.get("/api/v1/assets/export/").content)

    def forms(contents):
        return {str(c["uuid"]): normal(name.partition("/")[0], c) for name, c in contents.items()}

    assert forms(before) == forms(after) and len(before) > 10


def test_a_change_in_the_browser_is_drift_that_pull_writes_down_and_push_undoes(superset, admin, folder):
    number = chart_id(admin, "Revenue by territory")
    params = json.loads(admin.get(f"/api/v1/chart/{number}").json()["result"]["params"])
    params["row_limit"] = 5
    assert admin.put(f"/api/v1/chart/{number}", json={"params": json.dumps(params)}).status_code == 200
    drift = superset.elt("dashboards", "drift")
    assert drift.returncode == 1
    assert "~ chart Revenue by territory\n    params.row_limit: 5 → 10000\n" in drift.stdout
    pulled = superset.elt("dashboards", "pull", "--folder", str(folder))
    assert pulled.returncode == 0 and "sales_overview.yaml" in pulled.stdout, pulled.stderr
    written = yaml.safe_load((folder / "charts" / "sales_overview.yaml").read_text())
    assert written["Revenue by territory"]["params"]["row_limit"] == 5
    assert superset.elt("dashboards", "drift", "--folder", str(folder)).returncode == 0
    pushed = superset.elt("dashboards", "push")
    assert "0 created, 1 changed" in pulled.stdout + pushed.stdout, pushed.stderr
    assert superset.elt("dashboards", "drift").returncode == 0


def test_what_left_the_files_is_removed_with_prune_alone(superset, admin, folder):
    charts = folder / "charts" / "sales_overview.yaml"
    charts.write_text(
        charts.read_text()
        + "Extra:\n  viz: big_number_total\n  dataset: sales\n  params: {metric: revenue}\n"
    )
    assert "1 created" in superset.elt("dashboards", "push", "--folder", str(folder)).stdout
    plan = superset.elt("dashboards", "plan")
    assert "- chart Extra" in plan.stdout and "1 to remove (removed only by --prune)" in plan.stdout
    assert "kept (--prune)" in superset.elt("dashboards", "push").stdout
    assert chart_id(admin, "Extra")
    assert "- chart Extra" in superset.elt("dashboards", "push", "--prune").stdout
    query = "(filters:!((col:slice_name,opr:eq,value:Extra)))"
    assert admin.get("/api/v1/chart/", params={"q": query}).json()["count"] == 0
    assert superset.elt("dashboards", "drift").returncode == 0


def test_a_wrong_column_ends_plan_with_file_and_field(superset, folder):
    charts = folder / "charts" / "sales_overview.yaml"
    charts.write_text(charts.read_text().replace("groupby: [territory_name]", "groupby: [teritory_name]"))
    plan = superset.elt("dashboards", "plan", "--folder", str(folder))
    assert plan.returncode == 2 and plan.stdout == ""
    [line] = plan.stderr.splitlines()
    assert "charts/sales_overview.yaml, line " in line and "groupby" in line
    assert "has no column teritory_name — did you mean territory_name?" in line


def test_a_preset_workspace_is_entered_with_an_api_token(superset):
    """Preset's own login is in front of the same API: a token and its secret are exchanged for the workspace's."""
    seen = []

    class Preset(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            right = self.path == "/v1/auth/" and seen[-1]["secret"] == "the secret"
            token = access_token(superset.settings, "admin")
            self.send_response(200 if right else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"payload": {"access_token": token}}).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Preset)
    Thread(target=server.serve_forever, daemon=True).start()
    place = {
        "DASHBOARDS_URL": f"http://127.0.0.1:{superset.settings.superset_port}/",
        "PRESET_API_URL": f"http://127.0.0.1:{server.server_port}",
        "PRESET_API_TOKEN": "a-token",
        "SUPERSET_ADMIN_PASSWORD": "not used",
    }
    try:
        assert (
            "no difference"
            in superset.elt("dashboards", "plan", PRESET_API_SECRET="the secret", **place).stdout
        )
        assert seen == [{"name": "a-token", "secret": "the secret"}]
        refused = superset.elt("dashboards", "plan", PRESET_API_SECRET="wrong", **place)
        assert refused.returncode == 2 and "Preset refused the API token a-token" in refused.stderr
        assert "wrong" not in refused.stderr
    finally:
        server.shutdown()


def test_a_workspace_that_is_not_there_or_refuses_is_reported_in_one_line(superset):
    for place, words in (
        ({"DASHBOARDS_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9 does not answer"),
        ({"SUPERSET_ADMIN_PASSWORD": "nonsense"}, "refused the login of admin"),
    ):
        refused = superset.elt("dashboards", "plan", **place)
        assert refused.returncode == 2 and words in refused.stderr and "nonsense" not in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


# ------------------------------------------------------------------------------------------------ who may do what


def test_an_anonymous_visitor_gets_the_login_page_and_no_data(superset):
    url = f"http://127.0.0.1:{superset.settings.superset_port}"
    for page in ("/", "/superset/dashboard/sales-overview/", "/dashboard/list/", "/sqllab/"):
        answer = httpx.get(url + page, follow_redirects=True, timeout=PATIENCE)
        assert "/login" in str(answer.url), page
    for endpoint in ("dashboard/", "chart/", "dataset/", "database/", "assets/export/", "security/users/"):
        answer = httpx.get(f"{url}/api/v1/{endpoint}", timeout=PATIENCE)
        assert answer.status_code in (401, 403) or answer.json().get("count") == 0, endpoint


def test_a_late_answer_to_the_login_page_ends_no_login(superset):
    """The page reports its loading while its user logs in; that answer comes after the login's."""
    config = superset.settings
    with httpx.Client(base_url=config.superset_url, timeout=PATIENCE) as visitor:
        token = FORM_TOKEN.search(visitor.get("/login/").text)[1]
        before = dict(visitor.cookies)
        user, password = login_of(config, "analyst")
        form = {"username": user, "password": password, "csrf_token": token}
        assert visitor.post("/login/", data=form).status_code == 302
        late = httpx.post(f"{config.superset_url}/superset/log/", cookies=before, follow_redirects=True)
        visitor.cookies.update(late.cookies)  # as a browser does
        assert visitor.get("/api/v1/me/").status_code == 200
        visitor.get("/logout/")
        assert visitor.get("/api/v1/me/").status_code == 401


@pytest.mark.threat("a user who does more than the role says")
def test_the_analyst_reads_dashboards_and_can_reach_nothing_else(analyst):
    shown = {one["slug"] for one in analyst.get("/api/v1/dashboard/").json()["result"]}
    assert shown == {path.stem.replace("_", "-") for path in (FOLDER / "dashboards").glob("*.yaml")}
    for endpoint in (
        "database/",
        "dataset/",
        "security/users/",
        "security/roles/",
        "sqllab/",
        "query/",
        "saved_query/",
        "log/",
        "assets/export/",
        "dashboard/export/?q=!(1)",
    ):
        assert analyst.get(f"/api/v1/{endpoint}").status_code in (401, 403, 404), endpoint


@pytest.mark.threat("a user who does more than the role says")
def test_the_analyst_can_change_nothing(analyst, admin):
    number = chart_id(admin, "Revenue by territory")
    [dashboard] = [
        one for one in analyst.get("/api/v1/dashboard/").json()["result"] if one["slug"] == "sales-overview"
    ]
    attempts = [
        ("PUT", f"/api/v1/chart/{number}", {"slice_name": "mine"}),
        ("DELETE", f"/api/v1/chart/{number}", None),
        ("PUT", f"/api/v1/dashboard/{dashboard['id']}", {"dashboard_title": "mine"}),
        ("DELETE", f"/api/v1/dashboard/{dashboard['id']}", None),
        ("POST", "/api/v1/chart/", {"slice_name": "mine", "datasource_id": 1, "datasource_type": "table"}),
        ("POST", "/api/v1/dashboard/", {"dashboard_title": "mine"}),
        ("POST", "/api/v1/database/", {"database_name": "mine", "sqlalchemy_uri": "duckdb:///:memory:"}),
        ("POST", "/api/v1/sqllab/execute/", {"database_id": 1, "sql": "select 1"}),
        ("POST", "/api/v1/security/users/", {"username": "mine"}),
    ]
    for method, path, body in attempts:
        answer = analyst.request(method, path, json=body)
        assert answer.status_code in (403, 404), (path, answer.text)
    assert chart_id(admin, "Revenue by territory") == number


@pytest.mark.threat("a user who does more than the role says")
def test_neither_a_chart_nor_sql_lab_reads_a_file_of_the_machine(analyst, admin, superset):
    secret = superset.home / "secrets.env"
    listed = admin.get("/api/v1/dataset/", params={"q": "(page_size:100)"}).json()["result"]
    [dataset] = [one for one in listed if one["table_name"] == "sales"]
    expression = f"(select max(content) from read_text('{secret}'))"
    query = {
        "datasource": {"id": dataset["id"], "type": "table"},
        "queries": [
            {"metrics": [{"expressionType": "SQL", "sqlExpression": expression, "label": "x"}], "columns": []}
        ],
        "result_format": "json",
        "result_type": "full",
    }
    for client in (analyst, admin):
        answer = client.post("/api/v1/chart/data", json=query)
        assert answer.status_code >= 400 and "PASSWORD" not in answer.text
    for sql in (
        f"select content from read_text('{secret}')",
        f"attach '{superset.settings.warehouse_path}' as other",
        "set enable_external_access = true",
        "create table marts.mine as select 1",
    ):
        answer = admin.post(
            "/api/v1/sqllab/execute/",
            json={"database_id": dataset["database"]["id"], "sql": sql, "runAsync": False},
        )
        assert answer.status_code >= 400 and "PASSWORD=" not in answer.text, (sql, answer.text)


@pytest.mark.threat("a query that takes all memory or time")
def test_an_analyst_fills_a_time_series_with_so_many_rows_alone(analyst, admin):
    listed = admin.get("/api/v1/dataset/", params={"q": "(page_size:100)"}).json()["result"]
    [dataset] = [one for one in listed if one["table_name"] == "sales"]
    axis = {"columnType": "BASE_AXIS", "timeGrain": "P1Y", "expressionType": "SQL"}
    day = axis | {"label": "order_date", "sqlExpression": "order_date"}
    count = {"expressionType": "SQL", "sqlExpression": "count(*)", "label": "x"}
    pivot = {"index": ["order_date"], "columns": [], "aggregates": {"x": {"operator": "mean"}}}

    def ask(rule):
        fill = {"operation": "resample", "options": {"rule": rule, "method": "ffill"}}
        query = {"columns": [day], "metrics": [count], "row_limit": 50}
        return analyst.post(
            "/api/v1/chart/data",
            json={
                "datasource": {"id": dataset["id"], "type": "table"},
                "queries": [query | {"post_processing": [{"operation": "pivot", "options": pivot}, fill]}],
                "result_format": "json",
                "result_type": "full",
            },
        )

    assert ask("1D").status_code == 200
    refused = ask("1min")
    assert refused.status_code >= 400 and "of which there may be 100,000" in refused.text


@pytest.mark.threat("a page that loads or is shown elsewhere")
def test_pages_forbid_everything_from_elsewhere(analyst, superset):
    policy = httpx.get(
        f"http://127.0.0.1:{superset.settings.superset_port}/login/", timeout=PATIENCE
    ).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "http" not in policy and "*" not in policy


@pytest.mark.parametrize(
    "name", ["sales", "orders", "customer_sales", "geography", "purchases", "work_orders"]
)
def test_drilling_to_detail_shows_business_columns_and_the_newest_rows_first(admin, analyst, name):
    query = f"(filters:!((col:table_name,opr:eq,value:{name})))"
    dataset = admin.get("/api/v1/dataset/", params={"q": query}).json()["result"][0]["id"]
    where = {"force": "true", "datasource_type": "table", "datasource_id": dataset, "per_page": 50, "page": 1}
    shown = (
        analyst.post("/datasource/samples", params=where, json={"filters": []})
        .raise_for_status()
        .json()["result"]
    )
    days = [row["days_back"] for row in shown["data"]]
    assert shown["colnames"][0] == "days_back" and days == sorted(days)
    assert not [
        name
        for name in shown["colnames"]
        if name.endswith(("_key", "_hash", "_at_utc")) or name.startswith("_")
    ]


def test_a_result_is_kept_until_the_next_version_is_published(superset, admin, analyst):
    query = "(filters:!((col:table_name,opr:eq,value:sales)))"
    dataset = admin.get("/api/v1/dataset/", params={"q": query}).json()["result"][0]["id"]
    asked = {
        "datasource": {"id": dataset, "type": "table"},
        "queries": [{"metrics": ["revenue"], "columns": ["channel_name"], "row_limit": 77}],
    }

    def is_kept() -> tuple[bool, list]:
        [result] = analyst.post("/api/v1/chart/data", json=asked).raise_for_status().json()["result"]
        return bool(result["is_cached"]), sorted(result["data"], key=lambda row: row["channel_name"])

    first = is_kept()
    assert is_kept() == (True, first[1]) and not first[0]
    assert superset.elt("publish").returncode == 0
    assert is_kept() == (False, first[1])
    assert is_kept() == (True, first[1])
    kept = list(superset.settings.superset_results_dir.iterdir())
    assert kept and all(file.stat().st_mode & 0o077 == 0 for file in kept)


# ------------------------------------------------------------------------------------------------ what pages do besides


@pytest.fixture(params=["analyst", "admin"])
def somebody(request) -> httpx.Client:
    return request.getfixturevalue(request.param)


def test_superset_keeps_the_filters_of_a_board_and_the_form_of_a_chart(somebody, admin):
    number = chart_id(admin, "Revenue by territory")
    chosen = json.dumps({"NATIVE_FILTER-category": {"filterState": {"value": ["Bikes"]}}})
    [board] = [
        one for one in somebody.get("/api/v1/dashboard/").json()["result"] if one["slug"] == "sales-overview"
    ]
    place = f"/api/v1/dashboard/{board['id']}/filter_state"
    key = somebody.post(place, json={"value": chosen}).raise_for_status().json()["key"]
    assert somebody.get(f"{place}/{key}").json()["value"] == chosen
    link = somebody.post(f"/api/v1/dashboard/{board['id']}/permalink", json={"dataMask": {}})
    assert link.status_code == 201, link.text
    form = {"datasource_type": "table", "chart_id": number, "form_data": json.dumps({"viz_type": "table"})}
    dataset = json.loads(admin.get(f"/api/v1/chart/{number}").json()["result"]["params"])["datasource"]
    form["datasource_id"] = int(dataset.partition("__")[0])
    answer = somebody.post("/api/v1/explore/form_data", json=form)
    assert answer.status_code == 201, answer.text


def test_what_every_page_reports_and_the_home_asks_for_is_answered(somebody):
    told = somebody.post("/superset/log/?explode=events", data={"events": '[{"event_name": "load_chart"}]'})
    assert told.status_code == 200, told.text
    assert somebody.get("/api/v1/log/recent_activity/").status_code == 200
    assert somebody.get("/").url.path == "/superset/dashboard/sales-overview/"


def test_the_analyst_may_drill_by_and_share(analyst):
    roles = analyst.get("/api/v1/me/roles/").json()["result"]["roles"]
    may = {tuple(pair) for role in roles.values() for pair in role}
    assert may >= {
        ("can_write", "ExploreFormDataRestApi"),
        ("can_drill", "Dashboard"),
        ("can_share_dashboard", "Superset"),
        ("can_share_chart", "Superset"),
    }
