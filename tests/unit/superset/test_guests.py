"""What a guest of an embedded board may ask Superset for."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin

from foundation.settings import ROOT

AXIS = {"columnType": "BASE_AXIS", "expressionType": "SQL", "label": "minute", "sqlExpression": "minute"}
AS_IT_IS: dict[str, Any] = {
    "form_data": {"slice_id": 3, "dashboardId": 1},
    "queries": [{"columns": [AXIS, "channel"], "metrics": ["orders"], "extras": {"where": ""}}],
}


def changed(**query: Any) -> dict[str, Any]:
    return AS_IT_IS | {"queries": [AS_IT_IS["queries"][0] | query]}


SQL = {"expressionType": "SQL", "label": "x", "sqlExpression": "(select max(subtotal) from orders)"}


@pytest.fixture
def client(monkeypatch):
    """A guest's, of an application that answers all that passes."""
    monkeypatch.syspath_prepend(ROOT / "infrastructure" / "superset")
    import guests

    app = Flask(__name__)
    app.secret_key = "of a test, as long as one that a machine makes"  # pragma: allowlist secret
    user = UserMixin()
    user.id, user.is_guest_user = "anna", True
    LoginManager(app).request_loader(lambda request: user if "X-GuestToken" in request.headers else None)
    guests.install(app)
    app.add_url_rule("/api/v1/chart/data", "data", lambda: "figures", methods=["POST"])
    app.add_url_rule("/api/v1/chart/data/<key>", "kept", lambda key: "figures", methods=["GET"])
    return app.test_client()


GUEST = {"X-GuestToken": "signed"}


@pytest.mark.threat("a user who does more than the role says")
def test_a_guest_gets_the_figures_of_a_chart_as_it_is(client):
    for form in ({}, {"result_type": "full", "result_format": "json"}, {"result_type": "results"}):
        assert client.post("/api/v1/chart/data", json=AS_IT_IS | form, headers=GUEST).text == "figures"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (changed(extras={"where": "1 = 1) or (1 = 1"}), "a condition"),
        (changed(extras={"having": "1 = 1"}), "a condition"),
        (changed(metrics=[SQL]), "SQL"),
        (changed(orderby=[[SQL, True]]), "SQL"),
        (changed(series_limit_metric=SQL), "SQL"),
        (changed(filters=[{"col": SQL, "op": "==", "val": 1}]), "SQL"),
        (changed(annotation_layers=[{"value": 1}]), "another chart"),
        (AS_IT_IS | {"form_data": None}, "no chart"),
        (AS_IT_IS | {"form_data": {"slice_id": "3"}}, "no chart"),
        (AS_IT_IS | {"form_data": {"slice_id": 3, "type": "NATIVE_FILTER"}}, "no chart"),
        ({"form_data": {"slice_id": 3}}, "no queries"),
        ([], "no queries"),
        (AS_IT_IS | {"result_type": "samples"}, "the result type samples"),
        (changed(result_type="drill_detail"), "the result type drill_detail"),
        (AS_IT_IS | {"result_type": "query"}, "the result type query"),
    ],
)
@pytest.mark.threat("a user who does more than the role says")
def test_a_guest_who_changes_the_request_is_refused(client, body, reason):
    answer = client.post("/api/v1/chart/data", json=body, headers=GUEST)
    assert (answer.status_code, answer.json["message"]) == (403, f"a guest sees charts as they are: {reason}")


@pytest.mark.threat("a user who does more than the role says")
def test_a_guest_asks_in_no_other_form_and_others_as_they_like(client):
    assert client.post("/api/v1/chart/data", data={"form_data": "{}"}, headers=GUEST).status_code == 403
    assert client.get("/api/v1/chart/data/kept", headers=GUEST).status_code == 403
    assert client.post("/api/v1/chart/data", json=changed(metrics=[SQL])).text == "figures"
