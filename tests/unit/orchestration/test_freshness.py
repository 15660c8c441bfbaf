"""How old the sources may be: dbt's limits, asked of a real warehouse file."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from airflow.sdk.exceptions import AirflowFailException

from foundation.errors import EltError
from foundation.settings import load_settings
from orchestration import freshness

NONE = {"count": None, "period": None}


def source(schema, name, field, warn=NONE, error=NONE, only=None):
    """A source as dbt's manifest has it; one without a limit has no field either."""
    return {
        "source_name": schema,
        "name": name,
        "loaded_at_field": field,
        "relation_name": f'"warehouse"."{schema}"."{name}"',
        "freshness": {"warn_after": warn, "error_after": error, "filter": only},
    }


SOURCES = [
    source(
        *("internal", "syncs", "loaded_at"),
        {"count": 1, "period": "hour"},
        {"count": 6, "period": "hour"},
        "connection = 'shop'",
    ),
    source("sales", "orders", "loaded_at", {"count": 2, "period": "day"}),
    source("sales", "lines", None),  # not there at all: nobody asks
]


@pytest.fixture
def check(tmp_path, monkeypatch):
    """A call with the hours since the last sync and the last order (None: there is none)."""
    config = load_settings({"ELT_HOME": str(tmp_path)})
    manifest = {"sources": {f"{each['source_name']}.{each['name']}": each for each in SOURCES}}
    monkeypatch.setattr(freshness, "read_manifest", lambda settings: manifest)

    def call(synced, ordered, kind="timestamptz"):
        with duckdb.connect(config.warehouse_path) as duck:
            for table, hours in (("internal.syncs", synced), ("sales.orders", ordered)):
                duck.execute(
                    f"create schema {table.partition('.')[0]}; create table {table} (loaded_at {kind},"
                    " connection text)"
                )
                if hours is not None:
                    at = datetime.now(UTC) - timedelta(hours=hours)
                    stamp = at if "tz" in kind else f"{at:%F %T}"
                    duck.execute(f"insert into {table} values (?, 'shop')", [stamp])
            duck.execute("insert into internal.syncs values (now(), 'web')")  # says nothing of the shop
        return freshness.check(config)

    return call


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])  # without a zone: UTC, as dbt takes it
def test_a_recent_sync_and_a_recent_order_pass(check, kind):
    assert check(0.9, 47.9, kind) == {"internal.syncs": "pass", "sales.orders": "pass"}


@pytest.mark.parametrize("ordered", [48.1, None])
def test_old_orders_or_none_only_warn(check, ordered, caplog):
    assert check(1.1, ordered) == {"internal.syncs": "warn", "sales.orders": "warn"}
    age = "no row" if ordered is None else f"{ordered} hours old"
    assert "sales.orders: warn, " in caplog.text and age in caplog.text


@pytest.mark.parametrize(("synced", "says"), [(6.1, r"6\.1 hours old"), (None, "no row")])
def test_a_sync_that_is_too_old_or_none_fails(check, synced, says):
    with pytest.raises(AirflowFailException, match=f"not fresh: internal.syncs: error, .*{says}"):
        check(synced, 1)


def test_a_table_that_is_not_there_is_named(check, tmp_path):
    duckdb.connect(load_settings({"ELT_HOME": str(tmp_path)}).warehouse_path).close()
    with pytest.raises(EltError, match="syncs"):
        freshness.check(load_settings({"ELT_HOME": str(tmp_path)}))
