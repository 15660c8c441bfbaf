"""A Python connector on airbyte-cdk that reads one PostgreSQL table through a server-side cursor.

Airbyte's own source-postgres is written in Java and comes as a container; this is the least that a Python one does.
The configuration is the benchmark's task.
"""

import sys

import psycopg
from airbyte_cdk import launch
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream

FETCH = 10_000
JSON_TYPES = {"integer": "integer", "smallint": "integer", "numeric": "number"}


def connect(config):
    return psycopg.connect(**{key: config[key] for key in ("host", "port", "dbname", "user", "password")})


class Table(Stream):
    """The table, whole."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    @property
    def name(self):
        return self.config["table"]

    @property
    def primary_key(self):
        return self.config["key"]

    def get_json_schema(self):
        return {"type": "object", "properties": dict(self.properties())}

    def properties(self):
        for name, declared in self.config["columns"].items():
            if declared == "timestamp":
                yield name, {
                    "type": ["null", "string"],
                    "format": "date-time",
                    "airbyte_type": "timestamp_without_timezone",
                }
            else:
                yield name, {"type": ["null", JSON_TYPES.get(declared.partition("(")[0], "string")]}

    def read_records(self, sync_mode, cursor_field=None, stream_slice=None, stream_state=None):
        columns = self.config["columns"]
        selected = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
        table = psycopg.sql.Identifier(self.config["schema"], self.config["table"])
        # what JSON can't hold goes as text and float, as Airbyte's connectors do
        convert = [
            float if declared.startswith("numeric") else str if declared in ("uuid", "timestamp") else None
            for declared in columns.values()
        ]
        with connect(self.config) as connection, connection.cursor("lines") as cursor:
            cursor.itersize = FETCH
            cursor.execute(psycopg.sql.SQL("select {} from {}").format(selected, table))
            for row in cursor:
                yield {
                    name: value if change is None or value is None else change(value)
                    for name, change, value in zip(columns, convert, row, strict=True)
                }


class Source(AbstractSource):
    """The connector."""

    def spec(self, logger):
        return ConnectorSpecification(
            connectionSpecification={"type": "object", "additionalProperties": True}
        )

    def check_connection(self, logger, config):
        connect(config).close()
        return True, None

    def streams(self, config):
        return [Table(config)]


if __name__ == "__main__":
    launch(Source(), sys.argv[1:])
