"""A statement, from its text to its result."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

import duckdb
import fakesnow.server as server  # not "from fakesnow", where a function has this name
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.expr import normalise_ident
from fakesnow.transforms import SUCCESS_NOP
from snowflake.connector.errors import Error as SnowflakeError
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from tests.snowflake import rewriting, statements
from tests.snowflake.catalog import DESCRIBE
from tests.snowflake.objects import Objects
from tests.snowflake.statements import quoted
from tests.snowflake.translation import functions

if TYPE_CHECKING:
    from tests.snowflake.session import Connection

# One statement at a time. DuckDB's writers do not wait for each other but fail, also over fakesnow's bookkeeping
# tables; and little is lost, as most of the time of a small statement goes into translating it in Python.
LOCK = threading.RLock()
LOCK_TIMEOUT = 50.0  # seconds a statement waits for another session's transaction

WRITES = (exp.Create, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable)
CONSTANTS = (exp.Literal, exp.Null, exp.Boolean, exp.Neg)
DDL = (exp.Create, exp.Drop, exp.Alter, exp.Comment)


class Cursor(FakeSnowflakeCursor):
    """fakesnow's cursor with the repairs that need the session."""

    _conn: Connection
    _afterwards: tuple[str, ...] = ()  # what a CREATE leaves to be done

    def execute(self, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Cursor:
        """Run a statement; raises the connector's errors only."""
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                with LOCK:
                    return self._execute_once(command, params, *args, **kwargs)
            except ProgrammingError as error:
                # Another session's transaction has written these rows: Snowflake waits for it to end.
                if "TransactionContext Error: Conflict" not in (error.msg or ""):
                    raise
                if self._conn.in_transaction or time.monotonic() > deadline:
                    raise ProgrammingError(
                        msg="Statement has locked table in another transaction and this lock has not yet been released.",
                        errno=625,
                        sqlstate="57014",
                    ) from error
                time.sleep(0.1)

    def _execute_once(self, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Cursor:
        self._conn.note(command)
        try:
            if (instead := self._special(command)) is None:
                return super().execute(command, params, *args, **kwargs)
            self._execute(instead)
            return self
        except SnowflakeError as error:
            self._revive()
            if missing := statements.MISSING.search(error.msg or ""):  # dbt looks for Snowflake's words
                error.msg = (
                    f"SQL compilation error:\n{missing[1]} '{missing[2]}' does not exist or not authorized."
                )
            raise
        except duckdb.ConstraintException as error:
            self._revive()
            message = f"NULL result in a non-nullable column\n{error}"
            raise ProgrammingError(msg=message, errno=100072, sqlstate="22000") from error
        except duckdb.InvalidInputException as error:
            self._revive()
            if "Division by zero" not in str(error):
                raise ProgrammingError(msg=str(error), errno=100183, sqlstate="P0000") from error
            raise ProgrammingError(msg="Division by zero", errno=100051, sqlstate="22012") from error
        except Exception as error:
            # This would become an HTTP 500, which the connector tries again, for ever if network_timeout is not set.
            self._revive()
            message = f"{type(error).__name__}: {error}"
            raise ProgrammingError(msg=message, errno=100183, sqlstate="P0000") from error

    def _revive(self) -> None:
        """An error leaves Snowflake's transaction open, but DuckDB's useless. Begin a new one, for want of better."""
        try:
            self._duck_conn.execute("SELECT 1")
        except duckdb.TransactionException:
            self._duck_conn.rollback()
            self._conn._in_transaction = False
            if self._conn.in_transaction:
                self._duck_conn.begin()

    def _inline_variables(self, sql: str) -> str:
        variables = {name.upper(): value for name, value in self._conn.variables._variables.items()}

        def value(match: re.Match[str]) -> str:
            if match[1] and match[1].upper() not in variables:
                raise ProgrammingError(
                    msg=f"Session variable '${match[1].upper()}' does not exist", errno=2211
                )
            return variables[match[1].upper()] if match[1] else match[0]

        return statements.VARIABLE.sub(value, sql)

    # -- statements recognised by their text -------------------------------------------------------------------

    def _special(self, command: str) -> exp.Expr | None:
        """The statement to run instead of this one, after doing what there is to do, or None."""
        start = statements.beginning(command)

        def match(pattern: re.Pattern[str]) -> re.Match[str] | None:
            return pattern.match(command, start)

        parameters = self._conn.parameters
        if match(statements.NO_OP):
            return SUCCESS_NOP
        if match(statements.SHOW_GRANTS):
            return statements.no_rows(statements.GRANT_COLUMNS)
        if match(statements.SHOW_ROLES):
            return statements.no_rows(statements.ROLE_COLUMNS)
        if found := match(statements.BEGIN):
            if not self._conn.in_transaction:
                self._conn.begin(found[1])
            return exp.Transaction()
        if match(statements.SHOW_TRANSACTIONS):
            shown = [one.transaction for one in server.sessions.values() if one.in_transaction]
            return (
                statements.some_rows(shown) if shown else statements.no_rows(statements.TRANSACTION_COLUMNS)
            )
        if found := match(statements.ABORT_TRANSACTION):
            return self._abort(found[1])
        if found := match(statements.SET_PARAMETER):
            parameters[found[1].upper()] = found[2].strip("'")
            return SUCCESS_NOP
        if found := match(statements.UNSET_PARAMETER):
            parameters.pop(found[1].upper(), None)
            return SUCCESS_NOP
        if found := match(statements.SHOW_PARAMETER):
            key = found[1].upper()
            return statements.one_row(key=key, value=parameters.get(key, ""), default="", level="SESSION")
        if found := match(statements.COMMENT_COLUMNS):
            return self._comment_columns(*found.groups())
        if found := match(statements.SWAP_SCHEMA):
            return self._swap_schemas(*found.groups())
        if found := match(statements.CLONE_SCHEMA):
            return self._clone_schema(*found.groups())
        if found := match(statements.CLONE_TABLE):
            return self._clone_table(*found.groups())
        return None

    def _abort(self, number: str) -> exp.Expr:
        for one in list(server.sessions.values()):
            if one.in_transaction and one.transaction.get("id") == number:
                one.abort()
                return statements.one_row(**{"SYSTEM$ABORT_TRANSACTION": "Aborted transaction id"})
        raise ProgrammingError(msg=f"Transaction {number} does not exist", errno=1044, sqlstate="42P13")

    @property
    def _objects(self) -> Objects:
        return Objects(self._conn)

    def _comment_columns(self, table: str, columns: str) -> exp.Expr:
        for name, dollars, text in statements.COLUMN_COMMENT.findall(columns):
            column = quoted((*self._objects.place(table), normalise_ident(name)))
            comment = dollars.replace("'", "''") or text
            self._duck_conn.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
        return SUCCESS_NOP

    def _swap_schemas(self, left: str, right: str) -> exp.Expr:
        one, two = self._objects.schema(left), self._objects.schema(right)
        self._objects.move(
            [(each, (*two, each[2])) for each in self._objects.found(*one)]
            + [(each, (*one, each[2])) for each in self._objects.found(*two)]
        )
        return SUCCESS_NOP

    def _clone_schema(self, replace: str | None, exists: str | None, new: str, old: str) -> exp.Expr:
        source, target = self._objects.found(*self._objects.schema(old)), self._objects.schema(new)
        with self._objects.atomic():
            if replace:
                self._duck_conn.execute(f"DROP SCHEMA IF EXISTS {quoted(target)} CASCADE")
            self._duck_conn.execute(f"CREATE SCHEMA {'IF NOT EXISTS' if exists else ''} {quoted(target)}")
            self._objects.copy([(each, (*target, each[2])) for each in source])
        return SUCCESS_NOP

    def _clone_table(
        self, replace: str | None, exists: str | None, new: str, how: str, old: str, travel: str | None
    ) -> exp.Expr:
        if travel:
            raise NotImplementedError("CLONE of the past")
        source, target = self._objects.found(*self._objects.place(old)), self._objects.place(new)
        with self._objects.atomic():
            if replace:
                self._duck_conn.execute(f"DROP TABLE IF EXISTS {quoted(target)}")
            if not (exists and self._objects.find(*target)):
                self._objects.copy([(source[0], target)], rows=how.upper() == "CLONE")
        return SUCCESS_NOP

    # -- statements recognised by their syntax tree --------------------------------------------------------------

    def _transform_explode(self, expression: exp.Expr) -> list[exp.Expr]:
        # DuckDB has MERGE. fakesnow's own, in several statements, mixes up columns of the source and the target.
        if isinstance(expression, exp.Merge):
            return [expression]
        # ALTER TABLE .. DROP COLUMN a, b
        if (
            isinstance(expression, exp.Alter)
            and (drop := expression.find(exp.Drop))
            and len(drop.args["tables"]) > 1
        ):
            several = []
            for column in drop.args["tables"]:
                several.append(expression.copy())
                several[-1].find(exp.Drop).set("tables", [column.copy()])
            return several
        return super()._transform_explode(expression)

    def _transform(self, expression: exp.Expr, params: Any) -> exp.Expr:
        self._afterwards = ()
        kind = str(expression.args.get("kind") or "").upper()
        if isinstance(expression, exp.Create) and kind in {"TABLE", "VIEW", "FUNCTION", "DATABASE"}:
            self._create(expression)
        elif isinstance(expression, exp.Alter) and kind == "TABLE" and len(expression.actions) == 1:
            if self._moved(expression.this, expression.actions[0]):
                return SUCCESS_NOP
        elif isinstance(expression, exp.Describe) and kind in {"TABLE", "VIEW"}:
            if described := self._describe(expression):
                return described
        elif isinstance(expression, exp.TruncateTable) and expression.args.get("exists"):
            if not self._objects.find(*self._objects.place(expression.expressions[0])):
                return SUCCESS_NOP
            expression.set("exists", False)
        elif isinstance(expression, exp.Merge):
            rewriting.unqualify_assignments(expression)
        elif isinstance(expression, exp.Copy):
            rewriting.simplify_copy(expression)
        elif isinstance(expression, exp.Insert) and isinstance(values := expression.expression, exp.Values):
            rows = values.expressions
            if len(rows) > 1 and all(
                isinstance(value, CONSTANTS) for row in rows for value in row.expressions
            ):
                values.set(
                    "expressions", rows[:1]
                )  # a seed: thousands of constants with nothing to translate
                transformed = super()._transform(expression, params)
                transformed.find(exp.Values).set("expressions", rows)
                return transformed
        return super()._transform(expression.transform(functions), params)

    def _create(self, create: exp.Create) -> None:
        rewriting.refuse_unknown_kinds(create)
        if create.kind == "DATABASE":
            return
        place = self._objects.place(create.find(exp.Table))
        if rewriting.is_temporary(create):
            # DuckDB's temporary objects are in no schema. This one is not temporary, but goes with the session.
            self._conn.temporary[place] = create.kind
        self._afterwards = tuple(rewriting.simplify_create(create, place))

    def _moved(self, table: exp.Table, action: exp.Expr) -> bool:
        """Whether the action was a swap, or a new name in another schema, and is done."""
        if isinstance(action, exp.SwapTable):
            one, two = (self._objects.found(*self._objects.place(each))[0] for each in (table, action.this))
            self._objects.move([(one, two[:3]), (two, one[:3])])
            return True
        if isinstance(action, exp.AlterRename) and action.this.db:
            found = self._objects.found(*self._objects.place(table))[0]
            self._objects.move([(found, self._objects.place(action.this))])
            return True
        return False

    def _describe(self, describe: exp.Describe) -> exp.Expr | None:
        """The columns of a table or view, in whichever database it is."""
        table = describe.find(exp.Table)
        if table is None or table.db.upper() == "INFORMATION_SCHEMA":
            return None
        catalog, schema, name = self._objects.place(table)
        self._objects.found(catalog, schema, name)
        text = DESCRIBE.substitute(catalog=catalog, schema=schema, table=name)
        return exp.maybe_parse(text, dialect="duckdb")

    # -- running it ----------------------------------------------------------------------------------------------

    def _execute(self, transformed: exp.Expr, params: Any = None) -> None:
        conn = self._conn
        if isinstance(transformed, exp.Transaction):
            if conn.in_transaction:
                transformed = SUCCESS_NOP  # Snowflake ignores it
            conn.in_transaction = True
        elif isinstance(transformed, (exp.Commit, exp.Rollback)):
            conn.in_transaction = False
        elif conn.in_transaction and _is_ddl(transformed):
            self._duck_conn.commit()  # DDL does
            conn.in_transaction = False

        if isinstance(transformed, exp.Merge):
            self._merge(transformed, params)
        elif isinstance(transformed, exp.Comment):  # on a column; fakesnow fails to describe the result
            self._duck_conn.execute(transformed.sql(dialect="duckdb"))
            super()._execute(SUCCESS_NOP)
        else:
            super()._execute(transformed, params)

        if isinstance(transformed, exp.Create):
            for statement in self._afterwards:
                self._duck_conn.execute(statement)
        if isinstance(transformed, WRITES) and (table := transformed.find(exp.Table)):
            with self._duck_conn.cursor() as other:  # a transaction writes to one database
                altered = "INSERT OR REPLACE INTO _fs_global._fs_information_schema._fs_altered VALUES (?, ?, ?, now())"
                other.execute(altered, self._objects.place(table))

    def _merge(self, merge: exp.Merge, params: Any) -> None:
        twice = rewriting.rows_updated_twice(merge)
        if twice and self._duck_conn.execute(twice.sql(dialect="duckdb")).fetchone():
            raise ProgrammingError(
                msg="Duplicate row detected during DML action", errno=100090, sqlstate="42P18"
            )
        merge.set("returning", exp.Returning(expressions=[exp.column("merge_action")]))
        super()._execute(merge, params)
        actions = self._arrow_table.column(0).value_counts().to_pylist()
        super()._execute(rewriting.merge_counts(merge, {each["values"]: each["counts"] for each in actions}))


def _is_ddl(transformed: exp.Expr) -> bool:
    return isinstance(transformed, DDL) or any(
        transformed.args.get(key) for key in ("create_stage_name", "create_db_name")
    )
