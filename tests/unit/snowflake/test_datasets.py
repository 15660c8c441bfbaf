"""The queries of the dashboards' datasets in Snowflake's dialect, over the marts as their contracts say."""

from __future__ import annotations

from dashboards.files import WAREHOUSE, load
from dashboards.semantic import metric
from transformation.marts import marts


def test_every_dataset_and_every_metric_is_sql_that_snowflake_understands(snowflake_emulator):
    with snowflake_emulator.connect(database="DATASETS") as connection:
        cursor = connection.cursor()
        cursor.execute("create schema if not exists marts")
        for mart in marts():
            columns = ", ".join(f"{column['name']} {column['data_type']}" for column in mart.columns)
            cursor.execute(f"create or replace table marts.{mart.name} ({columns})")
        asked = 0
        for document in load("duckdb").datasets.values():
            data = document.data
            if data.get("database", WAREHOUSE) == WAREHOUSE:
                expressions = [
                    f"{metric(name, given or {})['expression']} as {name}"
                    for name, given in data.get("metrics", {}).items()
                ]
                expressions += [
                    f"count({(given or {}).get('sql', name)})" for name, given in data["columns"].items()
                ]
                source = f"({data['sql']})" if "sql" in data else f"marts.{data['table']}"
                assert cursor.execute(f"select {', '.join(expressions)} from {source} as t").fetchall()
                asked += len(expressions)
        assert asked > 200
