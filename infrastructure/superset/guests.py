"""What a guest may ask for: the figures of a chart as it is. A guest is a browser with the token of an embedded board.

Superset compares a guest's columns and metrics with the chart's where a request names its chart, and adds the conditions of the token (his territory) to each
query. It takes free SQL in other places, requests that name no chart, and those for samples of all columns: here none of these passes.

It runs in Superset's own environment.
"""

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask, jsonify, request
from flask_login import current_user

DATA = "/api/v1/chart/data"
FIGURES = (None, "full", "results")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def install(app: Flask) -> None:
    """Look at the requests of guests."""

    @app.before_request
    def only_charts():
        if not request.path.startswith(DATA) or not getattr(current_user, "is_guest_user", False):
            return None
        reason = (
            refused(request.get_json(silent=True)) if request.path == DATA and request.is_json else "JSON"
        )
        return (jsonify(message=f"a guest sees charts as they are: {reason}"), 403) if reason else None


def refused(body: Any) -> str:
    """Why a guest's request for figures is none for a chart as it is; empty: it is one."""
    if not isinstance(body, dict) or not isinstance(body.get("queries"), list):
        return "no queries"
    form = body.get("form_data")
    if not isinstance(form, dict) or not isinstance(form.get("slice_id"), int) or "type" in form:
        return "no chart"
    for query in body["queries"]:
        if not isinstance(query, dict):
            return "no query"
        # `samples` and the like are every column of the dataset, `query` is its SQL
        for asked in (body.get("result_type"), query.get("result_type")):
            if asked not in FIGURES:
                return f"the result type {str(asked)[:20]}"
        extras = query.get("extras") or {}
        if not isinstance(extras, dict) or extras.get("where") or extras.get("having"):
            return "a condition"
        if query.get("annotation_layers"):
            return "another chart"
        if any(not NAME.fullmatch(str(text)) for text in expressions(query)):
            return "SQL"
    return ""


def expressions(node: Any) -> Iterator[Any]:
    """Every SQL expression in a query, wherever it is."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "sqlExpression" and value is not None:
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for each in node:
            yield from expressions(each)
