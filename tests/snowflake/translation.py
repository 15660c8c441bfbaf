"""Replacements for transforms of fakesnow: what makes DuckDB's SQL of Snowflake's, one node of the tree at a time."""

from __future__ import annotations

import re

from fakesnow import transforms
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp
from sqlglot.dialects import Snowflake

DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
# letters that stand in a format of dates, never in one of numbers
DATE_FORMAT = re.compile("YY|MM|MON|DD|DY|HH|MI|SS|FF", re.IGNORECASE)


def refuse_in_select_list(node: exp.Expr) -> None:
    """Raise ProgrammingError for IN, EXISTS, ALL or ANY of a query in a list of columns: Snowflake has them in conditions only."""
    query = node.args.get("query") if isinstance(node, exp.In) else node.this  # NOT IN is parsed as <> ALL
    if not isinstance(node, (exp.In, exp.Exists, exp.All, exp.Any)) or not isinstance(query, exp.Query):
        return
    while node.parent and not isinstance(node.parent, exp.Select):
        node = node.parent
    if node.parent and node.arg_key == "expressions":
        raise ProgrammingError(
            msg="Unsupported subquery type cannot be evaluated", errno=2031, sqlstate="42601"
        )


def functions(node: exp.Expr) -> exp.Expr:
    """Functions that fakesnow lacks, or whose type it gets wrong."""
    refuse_in_select_list(node)
    if (
        isinstance(node, (exp.DateTrunc, exp.TimestampTrunc))
        and not node.args.get("zone")
        and (unit := node.args["unit"].name.upper()) in DATE_UNITS
    ):
        return exp.Anonymous(this="_fs_date_trunc", expressions=[exp.Literal.string(unit), node.this])
    if (
        isinstance(node, exp.DateAdd)
        and node.unit
        and (unit := node.unit.name.upper()) in DATE_UNITS
        and not isinstance(node.this, (exp.Literal, exp.Cast))  # fakesnow sees to these
    ):
        interval = exp.Interval(this=exp.paren(node.expression), unit=exp.var(unit))
        return exp.Anonymous(this="_fs_date_add", expressions=[node.this, interval])
    if isinstance(node, (exp.Add, exp.Sub)) and _is_product_of_whole_numbers(node.expression):
        # days to add to a date: DuckDB takes no 64 bits for them
        node.set("expression", exp.Anonymous(this="_fs_days", expressions=[node.expression]))
        return node
    if isinstance(node, exp.Div):
        return exp.Anonymous(this="_fs_divide", expressions=[node.this, node.expression])
    if (
        type(node) is exp.Cast
        and node.to.this in exp.DataType.TEXT_TYPES
        and not isinstance(
            node.this, (exp.Literal, exp.Null, exp.Cast, exp.JSONExtract, exp.JSONExtractScalar)
        )
    ):
        node.set("this", exp.Anonymous(this="_fs_text", expressions=[node.this]))
        return node
    if (
        isinstance(node, exp.Window)
        and isinstance(node.this, exp.Anonymous)
        and node.this.name.upper() == "RATIO_TO_REPORT"
    ):
        value = node.this.expressions[0]
        node.set("this", exp.Sum(this=value.copy()))
        return exp.paren(
            exp.Div(this=value, expression=exp.func("NULLIF", node.copy(), exp.Literal.number(0)))
        )
    if isinstance(node, exp.ToChar) and not node.args.get("format"):
        return exp.Anonymous(this="_fs_text", expressions=[node.this])
    if (
        isinstance(node, exp.ToChar)
        and isinstance(form := node.args.get("format"), exp.Literal)
        and DATE_FORMAT.search(form.name)
    ):
        # The parser does not know a column's type, and drops the format.
        return exp.TimeToStr(this=node.this, format=Snowflake.format_time(form))
    if type(node) is exp.JSONExtract and (
        isinstance(node.parent, (exp.DPipe, exp.Concat, exp.Like, exp.ILike))
        or (isinstance(node.parent, (exp.EQ, exp.NEQ, exp.In)) and _has_text(node.parent))
    ):
        # A VARIANT as text, without its quotes.
        return exp.JSONExtractScalar(this=node.this, expression=node.expression)
    return node


def _is_product_of_whole_numbers(node: exp.Expr) -> bool:
    """A literal times a cast, as in `365 * cast(… as integer)`."""
    if not isinstance(node, exp.Mul):
        return False
    literal, cast = node.this, node.expression
    whole = isinstance(literal, exp.Literal) and literal.is_int
    return whole and isinstance(cast, exp.Cast) and cast.to.this in exp.DataType.INTEGER_TYPES


def _has_text(node: exp.Expr) -> bool:
    operands = (node.this, node.args.get("expression"), *node.expressions)
    return any(isinstance(operand, exp.Literal) and operand.is_string for operand in operands)


def trim(node: exp.Expr) -> exp.Expr:
    """fakesnow forgets the side and the characters: LTRIM(x, '0') would be TRIM(x)."""
    if isinstance(node, exp.Trim) and not isinstance(node.this, exp.Cast):
        node.set("this", exp.cast(node.this, "VARCHAR"))
    return node


def numeric_agg(node: exp.Expr, _original=transforms.numeric_agg_implicit_cast) -> exp.Expr:
    """fakesnow makes the argument of every SUM and AVG a float, for those that are text.

    SUM(NUMBER(19,4)) has to stay exact; only what comes out of a VARIANT still gets the cast.
    """
    json = isinstance(node, exp.AggFunc) and isinstance(node.this, exp.Expr) and node.this.unnest()
    return _original(node) if isinstance(json, (exp.JSONExtract, exp.JSONExtractScalar)) else node


def flatten(node: exp.Expr, _original=transforms.flatten) -> exp.Expr:
    """fakesnow takes the first argument of FLATTEN for its input, and ignores the others."""
    if not (isinstance(node, (exp.Lateral, exp.TableFromRows)) and isinstance(node.this, exp.Explode)):
        return node
    explode = node.this
    args = {a.this.name.upper(): a for a in (explode.this, *explode.expressions) if isinstance(a, exp.Kwarg)}
    for name, arg in args.items():
        if name not in {"INPUT", "OUTER", "MODE"} or (
            name == "MODE" and arg.expression.name.upper() != "BOTH"
        ):
            raise NotImplementedError(f"FLATTEN with {arg.sql(dialect='snowflake')}")
    if "INPUT" in args:
        explode.set("this", args["INPUT"])
    table = _original(node)
    if (outer := args.get("OUTER")) and outer.expression.sql().upper() == "TRUE":
        table.this.set("this", "_fs_flatten_outer")
    return table


def to_timestamp(node: exp.Expr, _original=transforms.to_timestamp) -> exp.Expr:
    """TryCast is a subclass of Cast: fakesnow would make it one that raises."""
    return node if isinstance(node, exp.TryCast) else _original(node)


def show_objects(node: exp.Expr, database, schema, _original=transforms.show_tables_etc) -> exp.Expr:
    """fakesnow ignores STARTS WITH."""
    prefix = node.args.get("starts_with") if isinstance(node, exp.Show) else None
    query = _original(node, database, schema)
    return (
        query.where(f"starts_with(name, {prefix.sql()})", copy=False)
        if prefix and query is not node
        else query
    )


def information_schema(node: exp.Expr, _original=transforms.information_schema_fs) -> exp.Expr:
    """DuckDB has one information schema, not one in each database."""
    if (
        isinstance(node, exp.Table)
        and node.db == "INFORMATION_SCHEMA"
        and node.name == "SCHEMATA"
        and node.catalog
    ):
        rows = (
            exp.select("*")
            .from_("system.information_schema.schemata")
            .where(f"catalog_name = '{node.catalog}'")
        )
        return rows.where("schema_name NOT IN ('main', '_fs_information_schema')").subquery(
            node.alias or None
        )
    return _original(node)
