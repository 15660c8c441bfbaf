"""The tables and views of a session: where a name leads, and moving them: DuckDB can't give one another schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from tests.snowflake.statements import quoted

if TYPE_CHECKING:
    from tests.snowflake.session import Connection

# (database, schema, name, "TABLE" or "VIEW", DDL) of an object, and the place of one.
Found = tuple[str, str, str, str, str]
Place = tuple[str, str, str]


class Objects:
    """What a session can see, through its DuckDB connection."""

    def __init__(self, session: Connection) -> None:
        self.session = session
        self.duck: duckdb.DuckDBPyConnection = session._duck_conn

    def place(self, name: str | exp.Table) -> Place:
        """Where a name leads in this session."""
        table = exp.to_table(name, dialect="snowflake") if isinstance(name, str) else name
        parts = [p.name if p.quoted else p.name.upper() for p in table.parts]
        return tuple([self.session.database, self.session.schema][: 3 - len(parts)] + parts)

    def schema(self, name: str) -> tuple[str, str]:
        """Database and schema that a schema's name leads to."""
        return self.place(f"{name}.X")[:2]

    def find(self, db: str, schema: str, name: str | None = None) -> list[Found]:
        """The tables and views of a schema, or one of them."""
        return self.duck.execute(
            """SELECT database_name, schema_name, table_name, 'TABLE', sql FROM duckdb_tables()
               WHERE database_name = $db AND schema_name = $schema AND table_name = coalesce($name, table_name)
               UNION ALL
               SELECT database_name, schema_name, view_name, 'VIEW', sql FROM duckdb_views()
               WHERE database_name = $db AND schema_name = $schema AND view_name = coalesce($name, view_name)""",
            {"db": db, "schema": schema, "name": name},
        ).fetchall()

    def found(self, db: str, schema: str, name: str | None = None) -> list[Found]:
        """The same, or Snowflake's error."""
        found = self.find(db, schema, name)
        schemas = "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?"
        if not found and (name or not self.duck.execute(schemas, [db, schema]).fetchone()):
            what = ".".join(filter(None, (db, schema, name)))
            message = f"SQL compilation error:\nObject '{what}' does not exist or not authorized."
            raise ProgrammingError(msg=message, errno=2003, sqlstate="42S02")
        return found

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """DDL: ends the transaction, and happens as a whole or not at all."""
        if self.session.in_transaction:
            self.duck.commit()
            self.session.in_transaction = False
        self.duck.begin()
        try:
            yield
            self.duck.commit()
        except BaseException:
            with suppress(duckdb.Error):
                self.duck.rollback()
            raise

    def copy(
        self, copies: list[tuple[Found, Place]], rows: bool = True, data: dict[Place, str] | None = None
    ) -> None:
        """Make objects again in other places, from their DDL, so that NOT NULL and defaults come along.

        A view keeps its text, as in Snowflake: it goes on reading the tables it names.
        """
        todo = sorted(copies, key=lambda copy: copy[0][3])  # tables before views
        while todo:
            later, error = [], None
            for copy in todo:
                (*place, kind, ddl), target = copy
                create = sqlglot.parse_one(ddl, read="duckdb")
                create.find(exp.Table).replace(
                    exp.table_(target[2], db=target[1], catalog=target[0], quoted=True)
                )
                try:
                    self.duck.execute(create.sql(dialect="duckdb"))
                except (duckdb.BinderException, duckdb.CatalogException) as e:
                    if kind == "TABLE":
                        raise
                    later, error = [*later, copy], e  # a view of a view that is still to come
                    continue
                if kind == "TABLE" and rows:
                    source = (data or {}).get(tuple(place), quoted(place))
                    self.duck.execute(f"INSERT INTO {quoted(target)} SELECT * FROM {source}")
            if error and len(later) == len(todo):
                raise error
            todo = later

    def move(self, moves: list[tuple[Found, Place]]) -> None:
        """Put objects in other places, which may be each other's."""
        data: dict[Place, str] = {}
        try:
            with self.atomic():
                for i, ((*place, kind, _ddl), _target) in enumerate(moves):
                    if kind == "TABLE":
                        data[tuple(place)] = f"temp.main._fs_moving_{i}"
                        self.duck.execute(f"CREATE TEMP TABLE _fs_moving_{i} AS FROM {quoted(place)}")
                    self.duck.execute(f"DROP {kind} {quoted(place)}")
                self.copy(moves, data=data)
        finally:
            for table in data.values():
                self.duck.execute(f"DROP TABLE IF EXISTS {table}")
