"""YAML files that can't be: connections of Airbyte, and dashboards with their datasets and metrics.

Each begins as a small folder that is right; a case replaces one piece of one file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from tests.bad_inputs.case import Case, Place

# ------------------------------------------------------------------------------------------------ connections

SOURCE = """\
name: shop
configuration:
  sourceType: postgres
  host: {setting: SOURCE_HOST}
  port: {setting: SOURCE_PORT}
  database: {setting: SOURCE_DATABASE}
  schemas: [sales]
  username: {setting: SOURCE_READER}
  password: {secret: SOURCE_READER_PASSWORD}  # pragma: allowlist secret
  replication_method:
    method: Standard
"""
DESTINATION = """\
name: warehouse
configuration:
  destinationType: duckdb
  destination_path: {setting: WAREHOUSE_PATH}
"""
CONNECTION = """\
name: orders
source: shop
destination: warehouse
status: active
schedule:
  scheduleType: manual
namespaceDefinition: custom_format
namespaceFormat: shop_${SOURCE_NAMESPACE}
prefix: ""
streams:
  - namespace: sales
    name: store
    syncMode: incremental_deduped_history
    cursorField: modifieddate
    primaryKey: [businessentityid]
    selectedFields: [businessentityid, name, modifieddate]
    mappers:
      - type: hashing
        mapperConfiguration: {targetField: name, method: SHA-256, fieldNameSuffix: _hashed}
"""
CONNECTIONS = {
    "sources/shop.yaml": SOURCE,
    "destinations/warehouse.yaml": DESTINATION,
    "connections/orders.yaml": CONNECTION,
}
S, D, C = CONNECTIONS
# 9 within each other: a billion values, written out
ALIASES = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
)

# (what is bad, file, piece, its replacement, words of the answer)
IN_CONNECTIONS: list[tuple[str, str, str, str, str]] = [
    ("no YAML", C, "name: orders", "name: [orders", "orders.yaml, line 2"),
    ("a tab", C, "source: shop", "\tsource: shop", "orders.yaml, line 2"),
    ("a list", C, CONNECTION, "- orders\n", "orders.yaml, line 1: not a mapping"),
    ("a text", C, CONNECTION, "orders\n", "orders.yaml, line 1: not a mapping"),
    ("nothing", C, CONNECTION, "", "orders.yaml, line 1: not a mapping"),
    ("two documents", C, "source: shop", "---\nsource: shop", "orders.yaml, line 2"),
    ("a key twice", C, "status: active", "source: shop", "line 4: source is here twice"),
    ("an alias of nothing", C, "source: shop", "source: *shop", "line 2: found undefined alias"),
    ("aliases without end", C, 'prefix: ""', ALIASES, "take the aliases out"),
    ("a mapping in itself", C, 'prefix: ""', "prefix: &a\n  b: *a", "orders.yaml, line "),
    (
        "an unknown tag",
        C,
        "source: shop",
        "source: !!python/object:os.system shop",
        "line 2: could not determine",
    ),
    ("a bad date", C, 'prefix: ""', "prefix: 2026-02-30", "orders.yaml"),
    ("a number beyond all", C, 'prefix: ""', "prefix: .inf", "line 9: prefix"),
    ("an escape that is none", C, 'prefix: ""', 'prefix: "\\q"', "orders.yaml, line 9"),
    ("brackets within each other", C, 'prefix: ""', f"prefix: {'[' * 600}{']' * 600}", "within each other"),
    ("a control character", C, 'prefix: ""', "prefix: a\x07b", "orders.yaml"),
    ("half a surrogate pair", C, 'prefix: ""', 'prefix: "\\ud800"', "orders.yaml"),
    ("no name", C, "name: orders\n", "", "name is missing"),
    ("an empty name", C, "name: orders", 'name: ""', "name: String should have at least 1"),
    ("a name that is a number", C, "name: orders", "name: 7", "name: Input should be a valid string"),
    ("an unknown field", C, "status: active", "state: active", "line 4: unknown field state"),
    ("an unknown status", C, "status: active", "status: on", "line 4: status"),
    ("no source", C, "source: shop\n", "", "source is missing"),
    ("an unknown source", C, "source: shop", "source: web", "line 2: no file defines a source web"),
    (
        "an unknown destination",
        C,
        "destination: warehouse",
        "destination: lake",
        "no file defines a destination lake",
    ),
    ("an unknown schedule", C, "scheduleType: manual", "scheduleType: often", "line 6: scheduleType"),
    (
        "a cron schedule without cron",
        C,
        "scheduleType: manual",
        "scheduleType: cron",
        "needs a cronExpression",
    ),
    (
        *("a minute 61", C, "scheduleType: manual"),
        *("scheduleType: cron\n  cronExpression: 61 * * * *", "cronExpression"),
    ),
    ("an unknown namespace rule", C, "custom_format", "as_it_comes", "line 7: namespaceDefinition"),
    (
        "no namespace's format",
        C,
        "namespaceFormat: shop_${SOURCE_NAMESPACE}\n",
        "",
        "needs a namespaceFormat",
    ),
    ("a prefix that is a list", C, 'prefix: ""', "prefix: [a]", "line 9: prefix"),
    ("streams that are a mapping", C, "streams:\n  - namespace", "streams:\n    namespace", "streams"),
    ("no streams", C, CONNECTION[CONNECTION.index("streams") :], "", "streams is missing"),
    ("an empty list of streams", C, CONNECTION[CONNECTION.index("streams") :], "streams: []\n", "streams"),
    ("a stream that is a text", C, CONNECTION[CONNECTION.index("  - namesp") :], "  - store\n", "line 11"),
    ("a stream without a name", C, "    name: store\n", "", "name is missing"),
    ("an unknown sync mode", C, "incremental_deduped_history", "incremental", "line 13: syncMode"),
    ("no sync mode", C, "    syncMode: incremental_deduped_history\n", "", "has no syncMode"),
    ("no cursor", C, "    cursorField: modifieddate\n", "", "needs a cursorField"),
    ("a cursor that is a number", C, "cursorField: modifieddate", "cursorField: 7", "line 14: cursorField"),
    (
        "a key that is a text",
        C,
        "[businessentityid]\n    sel",
        "businessentityid\n    sel",
        "line 15: primaryKey",
    ),
    (
        "a key that is not selected",
        C,
        "[businessentityid, name",
        "[name",
        "selectedFields lacks businessentityid",
    ),
    ("a cursor that is not selected", C, "name, modifieddate]", "name]", "selectedFields lacks modifieddate"),
    ("a field misspelt", C, "primaryKey", "primarykey", "unknown field primarykey"),
    ("an unknown mapper", C, "type: hashing", "type: hiding", "it is no mapper: type has to be one of"),
    ("an unknown method", C, "SHA-256", "SHA-0", "it is no mapper"),
    ("a mapper without its field", C, "targetField: name, ", "", "it is no mapper: "),
    ("a mapper's field misspelt", C, "fieldNameSuffix", "fieldSuffix", "stream sales.store"),
    ("a mapper that is a text", C, "type: hashing", "hashing", "line 19"),
    (
        "a stream twice",
        C,
        "streams:\n",
        "streams:\n  - {namespace: sales, name: store, syncMode: full_refresh_overwrite}\n",
        "stream sales.store is already defined in line 11",
    ),
    ("a tag without a colour", C, 'prefix: ""', "tags: [{name: daily}]", "color is missing"),
    ("no source's name", S, "name: shop\n", "", "shop.yaml, line 1: name is missing"),
    ("no type", S, "  sourceType: postgres\n", "", "sourceType is missing"),
    ("no configuration", S, SOURCE[SOURCE.index("configuration") :], "", "configuration is missing"),
    (
        "a configuration that is a list",
        S,
        SOURCE[SOURCE.index("configuration") :],
        "configuration: [a]\n",
        "configuration",
    ),
    (
        "a password written out",
        S,
        "{secret: SOURCE_READER_PASSWORD}",
        "sesame",
        "password is written out here",
    ),
    (
        "an unknown setting",
        S,
        "{setting: SOURCE_HOST}",
        "{setting: SOURCE_HOTS}",
        "there is no setting SOURCE_HOTS",
    ),
    (
        "a setting that is not set",
        S,
        "{setting: SOURCE_HOST}",
        "{setting: SNOWFLAKE_HOST}",
        "SNOWFLAKE_HOST is not set",
    ),
    (
        "a secret as a setting",
        S,
        "{setting: SOURCE_HOST}",
        "{setting: METADATA_PASSWORD}",
        "METADATA_PASSWORD is no plain",
    ),
    (
        "a setting as a secret",
        S,
        "{secret: SOURCE_READER_PASSWORD}",
        "{secret: SOURCE_HOST}",
        "SOURCE_HOST is no secret",
    ),
    (
        "a secret that is not set",
        S,
        "{secret: SOURCE_READER_PASSWORD}",
        "{secret: SHOP_PASSWORD}",
        "SHOP_PASSWORD is not set",
    ),
    ("a port that is a text", S, "{setting: SOURCE_PORT}", "many", "line 5: port"),
    ("a field of no connector", S, "  schemas: [sales]", "  schema: sales", "line 7: unknown field schema"),
    ("a field that is missing", S, "  host: {setting: SOURCE_HOST}\n", "", "host is missing"),
    ("an unknown replication", S, "method: Standard", "method: Guess", "shop.yaml, line "),
    ("capture without its slot", S, "method: Standard", "method: CDC", "shop.yaml"),
    ("optional that is a text", S, "name: shop", "name: shop\noptional: perhaps", "optional"),
    ("no destination's type", D, "  destinationType: duckdb\n", "", "destinationType is missing"),
    ("no path", D, "  destination_path: {setting: WAREHOUSE_PATH}\n", "", "destination_path is missing"),
    ("a path that is a list", D, "{setting: WAREHOUSE_PATH}", "[a]", "destination_path"),
    ("a destination's field misspelt", D, "destination_path", "destinationpath", "warehouse.yaml"),
]


def with_piece(
    folder: str, good: dict[str, str], file: str, piece: str, replacement: str
) -> Callable[[Place], None]:
    """A folder of files that are right, but for one piece of one of them."""

    def prepare(place: Place) -> None:
        assert good[file].count(piece) == 1, piece
        for name, text in (good | {file: good[file].replace(piece, replacement)}).items():
            path = place.inputs / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="surrogatepass")

    return prepare


def placed(folder: str, files: dict[str, bytes]) -> Callable[[Place], None]:
    """A folder of files."""

    def prepare(place: Place) -> None:
        for name, content in files.items():
            path = place.inputs / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return prepare


def _connections() -> Iterator[Case]:
    area = "connection files"
    words = ("airbyte", "plan", "--connections", "{inputs}/connections")
    for name, file, piece, replacement, says in IN_CONNECTIONS:
        yield Case(
            area, name, words, says, prepare=with_piece("connections", CONNECTIONS, file, piece, replacement)
        )
    good = {name: text.encode() for name, text in CONNECTIONS.items()}
    more: dict[str, tuple[dict[str, bytes], str]] = {
        "bytes that are no text": (good | {C: b"\xff\xfe\x00n"}, "orders.yaml can't be read"),
        "a NUL": (good | {C: CONNECTION.replace("shop", "sh\0p").encode()}, "orders.yaml can't be read"),
        "a name in two files": (good | {"connections/again.yaml": good[C]}, "orders is also the name in"),
        "a source in two files": (good | {"sources/again.yaml": good[S]}, "shop is also the name in"),
        "no sources": ({C: good[C], D: good[D]}, "no file defines a source shop"),
        "no destinations": ({C: good[C], S: good[S]}, "no file defines a destination warehouse"),
        "nothing but a text": ({"README.md": b"# connections"}, "connections holds no files"),
    }
    for name, (files, says) in more.items():
        yield Case(area, name, words, says, prepare=placed("connections", files))

    def pipe(place: Place) -> None:
        placed("connections", good)(place)
        os.mkfifo(place.inputs / "connections" / "connections" / "pipe.yaml")

    yield Case(area, "a named pipe", words, "pipe.yaml can't be read: it is a named pipe", prepare=pipe)
    for verb in ("apply", "drift", "verify"):
        yield Case(
            *(area, f"elt airbyte {verb} of no YAML", ("airbyte", verb, *words[2:]), "orders.yaml, line 2"),
            prepare=with_piece("connections", CONNECTIONS, C, "name: orders", "name: [orders"),
        )


# ------------------------------------------------------------------------------------------------ dashboards

DATASET = """\
description: One row per order line.
table: obt_sales
time: order_date
columns:
  order_date: {label: Day}
  product_category: {label: Category}
  is_large: {sql: order_quantity > 10, label: Large}
metrics:
  revenue: {format: "$,.0f"}
  lines:
    sql: COUNT(*)
    label: Lines
"""
CHART = """\
Revenue by category:
  viz: pie
  dataset: sales
  description: Of all orders.
  params:
    metric: revenue
    groupby: [product_category]
  where: [order_quantity > 0]
"""
DASHBOARD = """\
title: Sales
description: What is sold.
filters:
  - {name: Period, type: time}
  - {name: Category, type: select, dataset: sales, column: product_category}
rows:
  - height: 20
    items:
      - {chart: sales/Revenue by category, width: 6}
"""
DATABASE = """\
name: AdventureWorks
catalog: adventureworks
uri:
  driver: duckdb
  database: {setting: SERVING_PATH}
"""
STYLE = """\
color_scheme: supersetColors
colors: {Bikes: "#2f5d8a"}
css: ".header {}"
charts:
  all: {show_legend: true}
  pie: {donut: true}
"""
PRESET = {
    "style.yaml": STYLE,
    "databases/duckdb.yaml": DATABASE,
    "datasets/sales.yaml": DATASET,
    "charts/sales.yaml": CHART,
    "dashboards/sales.yaml": DASHBOARD,
}
T, B, A, H, O = PRESET  # noqa: E741

IN_PRESET: list[tuple[str, str, str, str, str]] = [
    ("a dataset that is no YAML", A, "columns:", "columns: {", "datasets/sales.yaml, line "),
    ("a dataset that is a list", A, DATASET, "- a\n", "datasets/sales.yaml, line 1: not a mapping"),
    ("an empty dataset", A, DATASET, "", "datasets/sales.yaml, line 1: not a mapping"),
    (
        "a dataset without a description",
        A,
        "description: One row per order line.\n",
        "",
        "description is missing",
    ),
    (
        "a dataset's field misspelt",
        A,
        "time: order_date",
        "tiem: order_date",
        "line 3: there is no field tiem",
    ),
    ("a table that is not there", A, "obt_sales", "obt_sale", "line 2: table: "),
    ("a table and its sql", A, "time: order_date", "sql: select 1", "either a table or its sql"),
    ("neither table nor sql", A, "table: obt_sales\n", "", "either a table or its sql"),
    ("sql that does not bind", A, "table: obt_sales", "sql: select a from nowhere", "line 2: sql: "),
    ("a table that is a number", A, "obt_sales", "7", "line 2: table"),
    (
        "a column that is not there",
        A,
        "product_category: {label",
        "product_colour: {label",
        "there is no column product_colour",
    ),
    (
        "columns that are a list",
        A,
        DATASET[DATASET.index("columns") : DATASET.index("metrics")],
        "columns: [order_date]\n",
        "columns",
    ),
    (
        "a column that is a text",
        A,
        "{label: Category}",
        "Category",
        "line 6: product_category: not a mapping",
    ),
    (
        "a column's field misspelt",
        A,
        "{label: Category}",
        "{lable: Category}",
        "line 6: there is no field lable",
    ),
    ("a column's sql that does not bind", A, "order_quantity > 10", "order_qty > 10", "columns.is_large.sql"),
    (
        "a time that is no date",
        A,
        "time: order_date",
        "time: product_category",
        "product_category is no column of dates",
    ),
    ("a time that is not there", A, "time: order_date", "time: day", "day is no column of dates"),
    ("a database that is not there", A, "time: order_date", "database: lake", "there is no database lake"),
    (
        "a metric that is not there",
        A,
        "revenue: {format",
        "revenu: {format",
        "the semantic layer has no metric revenu",
    ),
    ("a metric of another model", A, "revenue: {format", "quota: {format", "quota is defined over"),
    ("a metric's sql that does not bind", A, "COUNT(*)", "COUNT(lines_of)", "metrics.lines.sql"),
    ("a metric's sql that is no SQL", A, "COUNT(*)", "COUNT((", "metrics.lines.sql"),
    (
        "a metric's field misspelt",
        A,
        "    label: Lines",
        "    lable: Lines",
        "there is no field lable in a metric",
    ),
    ("metrics that are a list", A, DATASET[DATASET.index("metrics") :], "metrics: [revenue]\n", "metrics"),
    ("a metric that is a text", A, '{format: "$,.0f"}', "money", "line 9: revenue: not a mapping"),
    ("a chart without a type", H, "  viz: pie\n", "", "viz is missing"),
    ("a chart that is a text", H, CHART, "Revenue: pie\n", "charts/sales.yaml, line 1: chart: not a mapping"),
    ("an unknown type of chart", H, "viz: pie", "viz: cake", "style.yaml knows no charts of type cake"),
    ("a chart's dataset that is not there", H, "dataset: sales", "dataset: sale", "there is no dataset sale"),
    ("a chart's column that is not there", H, "[product_category]", "[product]", "has no column product"),
    ("a chart's metric that is not there", H, "metric: revenue", "metric: profit", "has no metric profit"),
    ("a chart's field misspelt", H, "  where:", "  were:", "there is no field were in a chart"),
    ("a condition that does not bind", H, "order_quantity > 0", "quantity > 0", "where.0"),
    ("a condition that is no SQL", H, "order_quantity > 0", "order_quantity >", "where.0"),
    (
        "parameters that are a text",
        H,
        "  params:\n    metric: revenue\n    groupby: [product_category]",
        "  params: revenue",
        "params",
    ),
    ("an expression without its sql", H, "[product_category]", "[{label: a}]", "groupby"),
    ("a dashboard without a title", O, "title: Sales\n", "", "title is missing"),
    ("a dashboard's field misspelt", O, "rows:", "row:", "there is no field row in a dashboard"),
    (
        "a dashboard's chart that is not there",
        O,
        "sales/Revenue by category",
        "sales/Revenue",
        "there is no chart sales/Revenue",
    ),
    ("a chart that is too wide", O, "width: 6", "width: 13", "line 9: width"),
    ("an item without a width", O, ", width: 6", "", "width"),
    ("a width that is a text", O, "width: 6", "width: half", "width"),
    ("a row without items", O, DASHBOARD[DASHBOARD.index("    items") :], "", "items"),
    ("rows that are a text", O, DASHBOARD[DASHBOARD.index("rows:") :], "rows: all\n", "rows"),
    ("a filter of no dataset", O, "dataset: sales,", "dataset: sale,", "filters: there is no dataset sale"),
    ("a filter of no column", O, "column: product_category", "column: product", "has no column product"),
    ("a filter without a type", O, ", type: time", "", "type"),
    ("a filter without a name", O, "name: Period, ", "", "name"),
    (
        "filters that are a text",
        O,
        DASHBOARD[DASHBOARD.index("filters") : DASHBOARD.index("rows")],
        "filters: all\n",
        "filters",
    ),
    ("a database without a name", B, "name: AdventureWorks\n", "", "holds no database named AdventureWorks"),
    ("a database without an address", B, DATABASE[DATABASE.index("uri") :], "", "uri"),
    ("a database's setting that is not there", B, "SERVING_PATH", "SERVING", "there is no setting SERVING"),
    (
        "a database's password written out",
        B,
        "  driver: duckdb",
        "  driver: duckdb\n  password: sesame",
        "password is written out",
    ),
    ("no style", T, STYLE, "", "style.yaml, line 1: not a mapping"),
    ("a style without charts", T, STYLE[STYLE.index("charts") :], "", "charts"),
    ("a style without what all charts share", T, "  all: {show_legend: true}\n", "", "all"),
    ("colours that are a list", T, 'colors: {Bikes: "#2f5d8a"}', "colors: [red]", "colors"),
]


def _dashboards() -> Iterator[Case]:
    area = "dashboard files"
    words = ("dashboards", "bundle", "{inputs}/bundle.zip", "--folder", "{inputs}/preset")
    for name, file, piece, replacement, says in IN_PRESET:
        yield Case(area, name, words, says, prepare=with_piece("preset", PRESET, file, piece, replacement))
    good = {name: text.encode() for name, text in PRESET.items()}
    without = {name: text for name, text in good.items() if name != T}
    more: dict[str, tuple[dict[str, bytes], str]] = {
        "bytes that are no text": (good | {O: b"\xff\xfe\x00n"}, "dashboards/sales.yaml can't be read"),
        "no style.yaml": (without, "style.yaml can't be read"),
        "nothing but a text": ({"README.md": b"# dashboards"}, "holds no database named AdventureWorks"),
    }
    for name, (files, says) in more.items():
        yield Case(area, name, words, says, prepare=placed("preset", files))
    full = ("dashboards", "bundle", "/dev/full", *words[3:])
    yield Case(area, "a full disk", full, "No space left on device", prepare=placed("preset", good))
    for verb in ("plan", "push", "pull", "drift"):
        yield Case(
            *(
                area,
                f"elt dashboards {verb} of no YAML",
                ("dashboards", verb, *words[3:]),
                "datasets/sales.yaml, line ",
            ),
            prepare=with_piece("preset", PRESET, A, "columns:", "columns: {"),
        )


def cases() -> Iterator[Case]:
    yield from _connections()
    yield from _dashboards()
