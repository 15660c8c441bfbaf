"""The project on Snowflake's dialect: three builds with changes between, and marts equal to DuckDB's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import pytest

from adventureworks.schema import tables
from foundation.settings import Settings, load_settings
from tests.fixtures.snowflake import Snowflake
from tests.integration.transformation import small_shop
from tests.integration.transformation.conftest import MODELS_ONLY, Built
from tests.integration.transformation.raw_layer import Warehouse, streams
from tests.integration.transformation.small_shop import line, order
from transformation.changed_inputs import Versions, asking, built, difference, relations, versions
from transformation.request import BuildRequest

THIRD_SYNC = "2025-07-02 00:00:00+00"
# an order is corrected once more, one is new, a customer moves back; a line goes
AT_LAST = {
    "person.address": [{"addressid": 1, "city": "Bothell", "postalcode": "98011"}],
    "sales.salesorderheader": [
        order(4, 1, "2025-03-01", "16.00", status=5, shipdate="2025-03-08"),
        order(12, 2, "2025-07-01", "20.00"),
    ],
    "sales.salesorderdetail": [line(5, 4, 709, 2, "8"), line(14, 12, 708, 2, "10")],
}
# dbt's own generic tests say the same on every warehouse; ours, and the unit tests, are SQL of this project
DBT_S_OWN_TESTS = [
    word for name in ("not_null", "unique", "accepted_values") for word in ("--exclude", f"test_name:{name}")
]


@dataclass
class Both:
    """The same raw layers, built on both, one after the other."""

    snowflake: Snowflake
    duckdb: list[Warehouse]
    differences: list[dict[str, str]]


def marts(warehouse: Warehouse) -> list[tuple[str, str]]:
    """Schema and name of every mart."""
    return warehouse.rows(
        "select schema_name, table_name from duckdb_tables()"
        " where starts_with(schema_name, 'marts') and table_name <> 'built_from' order by all"
    )


def comparable(warehouse: Warehouse, schema: str, table: str) -> str:
    """A query for all of a mart but the time of a snapshot, and what is made of it.

    A customer's version begins when a build saw it, which is another moment on each warehouse, and its key is a hash
    of that; customer and version number stand for both.
    """
    columns = [
        name
        for (name,) in warehouse.rows(
            f"select column_name from duckdb_columns() where schema_name = '{schema}' and table_name = '{table}'"
            " order by column_index"
        )
    ]
    if "customer_key" not in columns:
        return f"select {', '.join(columns)} from {schema}.{table}"
    left_out = {"customer_key"} | ({"valid_from", "valid_to"} if table == "dim_customer" else set())
    kept = ", ".join(f"t.{name}" for name in columns if name not in left_out)
    return (
        f"select {kept}, c.customer_id as version_of, c.version_number as version_is"
        f" from {schema}.{table} as t inner join marts.dim_customer as c on t.customer_key = c.customer_key"
    )


def differences(
    warehouse: Warehouse, snowflake: Snowflake, relations: list[tuple[str, str]]
) -> dict[str, str]:
    """What differs, by table or view: rows of one side that the other does not have, exactly."""
    found = {}
    for schema, table in relations:
        query = comparable(warehouse, schema, table)
        theirs = snowflake.arrow(query)
        with duckdb.connect(warehouse.path, read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.register("theirs", theirs)
            rows = connection.execute(f"select count(*) from {schema}.{table}").fetchone()[0]
            missing = connection.execute(f"({query}) except all from theirs").fetchall()
            added = connection.execute(f"from theirs except all ({query})").fetchall()
        if missing or added or rows != theirs.num_rows:
            found[table] = f"only DuckDB: {missing[:3]}\nonly Snowflake: {added[:3]}"
    return found


def manifest(snowflake: Snowflake) -> dict[str, object]:
    return json.loads((snowflake.home / "target" / "manifest.json").read_text())


def raw_versions(snowflake: Snowflake) -> Versions:
    """What a build of what has changed would find in raw."""
    with asking(settings_of(snowflake), "a test") as ask:
        return versions(manifest(snowflake), ask)


def settings_of(snowflake: Snowflake) -> Settings:
    """The settings by which the emulator is found."""
    return load_settings(
        {
            "ELT_HOME": str(snowflake.home),
            "DBT_TARGET": "ci",
            "SNOWFLAKE_EMULATOR_PORT": str(snowflake.port),
            "SNOWFLAKE_DATABASE": "ANALYTICS_CI",
        }
    )


@pytest.fixture(scope="session")
def both(
    first_build: Warehouse,
    second_build: Built,
    snowflake_emulator: Snowflake,
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    """Three builds on Snowflake's dialect; the first with unit tests, the last with the project's own data tests, and
    comparing only what the third sync has touched (on DuckDB all is compared)."""
    second = second_build.warehouse
    third = second.copy(tmp_path_factory.mktemp("third build"))
    third.sync(THIRD_SYNC, AT_LAST)
    third.delete("sales.salesorderdetail", "salesorderdetailid = 12", THIRD_SYNC)
    third.build(*MODELS_ONLY)

    found = []
    changed = set(small_shop.LATER) | set(AT_LAST)
    steps = [
        (first_build, None, ["--exclude", "resource_type:test"]),
        (second, changed, MODELS_ONLY),
        (third, changed, ["--exclude", "resource_type:unit_test", *DBT_S_OWN_TESTS]),
    ]
    known: Versions = {}
    for warehouse, loaded, arguments in steps:
        snowflake_emulator.load_raw(warehouse.path, loaded)
        environ, before = {}, known
        if warehouse is not first_build:  # there is a manifest
            known = raw_versions(snowflake_emulator)
        if warehouse is third:
            told = difference(manifest(snowflake_emulator), before, known)
            environ = BuildRequest(changes=told).variables()
        snowflake_emulator.build(*arguments, **environ)
        found.append(differences(warehouse, snowflake_emulator, marts(warehouse)))
    return Both(snowflake_emulator, [first_build, second, third], found)


def test_key_of_a_moment_is_the_same_hash_on_both(
    first_build: Warehouse, snowflake_emulator: Snowflake
) -> None:
    """The project parses for Snowflake without a warning, and its keys come out as DuckDB's."""
    (key,) = first_build.row(
        "select employee_key from marts.dim_employee where employee_id = 279 and valid_from = '2024-03-01'"
    )
    moment = "select cast('2024-03-01' as timestamp_ntz) as seen"
    query = f"select {{{{ surrogate_key(['279', timestamp_text('t.seen')]) }}}} as key from ({moment}) as t"
    errors = (
        "--warn-error-options",
        "{error: all, silence: [UnusedResourceConfigPath]}",
    )  # of sources not in use
    shown = snowflake_emulator.dbt(*errors, "--quiet", "show", "--inline", query, "--output", "json")
    assert shown.returncode == 0, shown.stdout
    assert json.loads(shown.stdout) == {"show": [{"KEY": key}]}


@pytest.mark.slow
def test_what_marts_are_built_from_is_noted_read_and_forgotten(
    first_build: Warehouse, snowflake_emulator: Snowflake
) -> None:
    """The hooks, and the readers of what they wrote; the seeds stand for a build. In a schema that nobody else uses."""
    snowflake_emulator.load_raw(first_build.path, {"sales.currency", "sales.store"})
    settings = settings_of(snowflake_emulator)

    def build(project: str, **inputs: Versions) -> None:
        environ = BuildRequest(project=project, **inputs).variables()
        chosen = ("--select", "sales_channels", "--exclude", "resource_type:test")
        snowflake_emulator.build(*chosen, DBT_MARTS_SCHEMA="marts_noted", **environ)

    def found() -> tuple[Versions, Versions]:
        written = manifest(snowflake_emulator)
        with asking(settings, "a test") as ask:
            there = relations(written, ask)
            return built(written, ask, there, "marts_noted"), versions(written, ask)

    noted = {"project": "a1", "day": "2025-06-01", "it's": "a\\b", "web.events": "{}"}
    build("a1")
    assert found()[0] == {}
    build("a1", building_from=noted)
    before, now = found()
    assert before == noted
    told = json.loads(now["adventureworks_sales.currency"])
    assert (told["rows"], told["newest"]) == (2, "2025-05-01 00:00:00")
    later = noted | {"day": "2025-06-02"}
    build("a1", building_from=later, built_from=later)  # not upon that
    build("a1")
    assert found()[0] == noted
    build("a1", building_from=later, built_from=noted)
    assert found()[0]["day"] == "2025-06-02"
    build("b2")
    assert found()[0] == {}


@pytest.mark.slow
@pytest.mark.parametrize("build", [0, 1, 2])
def test_every_mart_equals_duckdbs(both: Both, build: int) -> None:
    assert both.differences[build] == {}


@pytest.mark.slow
def test_marts_are_built_on_their_warehouse_with_their_tag_and_clustered(both: Both) -> None:
    statements = both.snowflake.statements()
    (built, *_) = [
        each for each in statements if "transient table ANALYTICS_CI.marts.fct_sales" in each["sql"]
    ]
    assert built["query_tag"] == "dbt_adventureworks_marts"
    before = statements[: statements.index(built)]
    used = [
        each["sql"]
        for each in before
        if each["session"] == built["session"] and each["sql"].startswith("use warehouse")
    ]
    assert "TRANSFORMING_MARTS" in used[-1]
    assert any("fct_sales cluster by (order_date_key)" in each["sql"] for each in statements)


@pytest.mark.slow
def test_snapshots_keep_their_fail_safe_and_models_do_not(both: Both) -> None:
    created = [
        words[3 : words.index("table") + 2]
        for words in (each["sql"].split() for each in both.snowflake.statements())
        if words[:3] == ["create", "or", "replace"]
        and "table" in words[3:5]
        and "ANALYTICS_CI." in words[4] + words[5]
    ]
    kept = {name for *kind, name in created if kind == ["table"]}
    assert kept == {
        "ANALYTICS_CI.snapshots.customers_snapshot",
        "ANALYTICS_CI.snapshots.product_inventory_snapshot",
    }
    assert "ANALYTICS_CI.marts.fct_sales" in {
        name for *kind, name in created if kind == ["transient", "table"]
    }


@pytest.mark.slow
def test_staging_makes_exact_decimals_of_float_numbers(both: Both) -> None:
    """A real Airbyte lands every number as FLOAT."""
    snowflake, third = both.snowflake, both.duckdb[-1]
    numeric = {
        name
        for name in streams()
        if any(column.type.startswith("numeric") for column in tables()[name].columns)
    }
    snowflake.load_raw(third.path, numeric, float_numbers=True)
    landed = snowflake.rows(
        "select count(*) from RAW_CI.information_schema.columns"
        " where table_name = 'SALESORDERHEADER' and column_name = 'TAXAMT' and data_type = 'FLOAT'"
    )
    assert landed == [(1,)]
    selected = [
        word
        for name in sorted(numeric)
        for word in ("--select", f"source:adventureworks_{name}+1,path:models/staging")
    ]
    done = snowflake.dbt("run", *selected)
    assert done.returncode == 0, done.stdout
    views = [
        line.split("staging.")[1].split()[0] for line in done.stdout.splitlines() if "OK created" in line
    ]
    assert {"stg_sales_order_headers", "stg_purchase_order_details"} <= set(views)
    floats = snowflake.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'STAGING' and data_type = 'FLOAT'"
    )
    assert floats == []
    assert differences(third, snowflake, [("staging", view) for view in views]) == {}


@pytest.mark.slow
def test_original_data_gives_equal_marts(
    original_build: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = Snowflake(tmp_path_factory.mktemp("original on snowflake"))
    server.start()
    try:
        server.load_raw(original_build.path)
        server.build(*MODELS_ONLY)
        assert differences(original_build, server, marts(original_build)) == {}
        assert server.rows("select count(*), sum(line_total) from marts.fct_sales") == [
            (121317, Decimal("109846381.399888"))
        ]
    finally:
        server.stop()
