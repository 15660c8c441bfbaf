"""CREATE, COPY INTO and MERGE without what DuckDB lacks or fakesnow misreads: trees in, trees out."""

from __future__ import annotations

from sqlglot import exp

from tests.snowflake.objects import Place
from tests.snowflake.statements import quoted

# Snowflake does not enforce keys, DuckDB would; the others DuckDB does not have.
DROPPED_CONSTRAINTS = (
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.Reference,
    exp.CommentColumnConstraint,
    exp.CollateColumnConstraint,
    exp.MaskingPolicyColumnConstraint,
    exp.ProjectionPolicyColumnConstraint,
    exp.Tags,
)
TABLE_CONSTRAINTS = (exp.PrimaryKey, exp.ForeignKey, exp.Constraint, exp.UniqueColumnConstraint)
# Options of COPY INTO that may be left out, as here any error aborts.
DROPPED_COPY_OPTIONS = {
    "ON_ERROR",
    "TRUNCATECOLUMNS",
    "ENFORCE_LENGTH",
    "LOAD_UNCERTAIN_FILES",
    "RETURN_FAILED_ONLY",
}


def refuse_unknown_kinds(create: exp.Create) -> None:
    """Raise NotImplementedError for what fakesnow would silently make something else of."""
    properties = create.args.get("properties") or exp.Properties()
    if (
        create.kind == "FUNCTION"
        or (create.kind == "DATABASE" and create.args.get("clone"))
        or properties.find(exp.DynamicProperty, exp.ExternalProperty)
    ):
        raise NotImplementedError(create.sql(dialect="snowflake").split(" AS ")[0])


def is_temporary(create: exp.Create) -> bool:
    """Whether the object is to go with its session."""
    return bool((create.args.get("properties") or exp.Properties()).find(exp.TemporaryProperty))


def simplify_create(create: exp.Create, place: Place) -> list[str]:
    """Leave of a CREATE TABLE or VIEW what DuckDB has; the statements (DuckDB's) that are to follow it."""
    # TRANSIENT, COPY GRANTS, CLUSTER BY, SECURE, DATA_RETENTION_TIME_IN_DAYS ...
    properties = create.args.get("properties") or exp.Properties()
    comments = [one for one in properties.expressions if isinstance(one, exp.SchemaCommentProperty)]
    create.set("properties", exp.Properties(expressions=comments) if comments else None)
    if not isinstance(create.this, exp.Schema):
        return []
    columns = [each for each in create.this.expressions if not isinstance(each, TABLE_CONSTRAINTS)]
    create.this.set("expressions", columns)
    if create.expression is not None:
        create.set("expression", _named_by_position(create.expression, columns))
    afterwards = []
    for column in columns:
        if isinstance(column, exp.ColumnDef):
            afterwards += _simplify_column(column, place, is_selected=bool(create.expression))
    return afterwards


def _named_by_position(query: exp.Expr, columns: list[exp.ColumnDef]) -> exp.Expr:
    """The query of a CREATE TABLE (columns) AS, with a SELECT of columns outermost, to put the types in.

    fakesnow does that itself, but describes a star before the query is in DuckDB's dialect, and knows no UNION.
    """
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    if not isinstance(inner, exp.SetOperation) and not any(
        isinstance(each, exp.Star) for each in inner.selects
    ):
        return query
    names = [column.this.copy() for column in columns]
    alias = exp.TableAlias(this=exp.to_identifier("_fs_query"), columns=names)
    return exp.select(*(exp.column(name.copy()) for name in names)).from_(
        exp.Subquery(this=inner, alias=alias)
    )


def _simplify_column(column: exp.ColumnDef, place: Place, is_selected: bool) -> list[str]:
    afterwards = []
    name = column.name if column.this.quoted else column.name.upper()
    for constraint in list(column.constraints):
        kind = constraint.args.get("kind", constraint)
        if isinstance(kind, exp.CommentColumnConstraint):
            text = exp.Literal.string(kind.this.this).sql(dialect="duckdb")
            afterwards.append(f"COMMENT ON COLUMN {quoted((*place, name))} IS {text}")
        elif (
            isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null") and is_selected
        ):
            # fakesnow drops the list of columns of a CREATE TABLE .. AS
            afterwards.append(f'ALTER TABLE {quoted(place)} ALTER COLUMN "{name}" SET NOT NULL')
        if isinstance(kind, DROPPED_CONSTRAINTS):
            column.constraints.remove(constraint)
    return afterwards


def simplify_copy(copy: exp.Copy) -> None:
    """COPY INTO as fakesnow can run it."""
    kept = []
    for option in copy.args.get("params") or []:
        value = option.expression
        false = isinstance(value, exp.Boolean) and not value.this  # fakesnow takes FORCE = FALSE for TRUE
        if isinstance(value, exp.Placeholder) or not (false or option.name.upper() in DROPPED_COPY_OPTIONS):
            kept.append(option)
        for name in option.find_all(exp.Table):  # FORMAT_NAME = an_unquoted_name
            name.replace(exp.Literal.string(name.sql(dialect="snowflake")))
    copy.set("params", kept)
    for table in copy.find_all(exp.Table):  # FROM '@stage', in quotes, as write_pandas has it
        if isinstance(table.this, exp.Literal) and table.name.startswith("@"):
            table.set("this", exp.var(table.name))


def unqualify_assignments(merge: exp.Merge) -> None:
    """`update set target.column = …`: DuckDB takes a bare column there."""
    for when in merge.args["whens"].expressions:
        if isinstance(then := when.args["then"], exp.Update):
            for assignment in then.expressions:
                assignment.this.set("table", None)


def rows_updated_twice(merge: exp.Merge) -> exp.Select | None:
    """A query with a row if the MERGE would have to choose between two source rows for a row of the target.

    Snowflake refuses to; DuckDB would take either. None: the MERGE updates nothing, or has parameters.
    """
    whens = merge.args["whens"].expressions
    updates = [
        when.args.get("condition") or exp.true()
        for when in whens
        if isinstance(when.args["then"], exp.Update)
    ]
    if not updates or merge.find(exp.Placeholder):
        return None
    row = exp.column("rowid", table=merge.this.alias_or_name)
    joined = exp.select("1").from_(merge.this.copy())
    joined = joined.join(merge.args["using"].copy(), on=merge.args["on"].copy())
    matched = joined.where(exp.or_(*(update.copy() for update in updates)))
    return matched.group_by(row).having("COUNT(*) > 1").limit(1)


def merge_counts(merge: exp.Merge, counts: dict[str, int]) -> exp.Select:
    """Snowflake's result of a MERGE, from DuckDB's number of rows by action."""
    result = exp.Select()
    kinds = (
        (exp.Insert, "INSERT", "inserted"),
        (exp.Update, "UPDATE", "updated"),
        (exp.Var, "DELETE", "deleted"),
    )
    for kind, action, done in kinds:
        if any(isinstance(when.args["then"], kind) for when in merge.args["whens"].expressions):
            count = exp.Literal.number(counts.get(action, 0))
            result = result.select(exp.alias_(count, f"number of rows {done}", quoted=True))
    result.set("merge_counts", True)  # fakesnow adds them up for the row count
    return result
