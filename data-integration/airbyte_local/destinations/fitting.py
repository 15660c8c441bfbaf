"""Whether a stream's table fits its plan, and what makes it fit. The rules are the same for every destination: only names
and types are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airbyte_local.destinations.base import INTERNAL_SCHEMA, METADATA_COLUMNS, RAW_ID, Target, Write
from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, DataType, StreamPlan, StreamState
from airbyte_local.states import REFRESH
from foundation.errors import EltError
from foundation.quoting import visible


@dataclass(frozen=True)
class Dialect:
    """What a destination has of its own.

    `fold`: a name as the destination compares it. `column_type`: the type of a kind of values. `common_type`: of a column
    in the table (its type there, the source's type at the last sync, the column), the type that holds what is there and
    what arrives, or None. `metadata_types`, `cdc_types`: of the columns besides the source's.
    """

    fold: Callable[[str], str]
    column_type: Callable[[DataType], str]
    common_type: Callable[[str, str | None, Column], str | None]
    metadata_types: dict[str, str]
    cdc_types: dict[str, str]

    def extra_types(self, plan: StreamPlan) -> dict[str, str]:
        """The columns that a stream's table has besides the source's, with their types."""
        return (self.cdc_types if plan.captured else {}) | self.metadata_types

    def is_ours(self, present: dict[str, str]) -> bool:
        """Whether a table has Airbyte's metadata columns (the row's id was text in older versions)."""
        wanted = {self.fold(name): type_ for name, type_ in self.metadata_types.items() if name != RAW_ID}
        return wanted.items() <= present.items() and self.fold(RAW_ID) in present


def is_numeric(source_type: str | None) -> bool:
    """Whether the source calls it a decimal number."""
    return source_type is not None and source_type.startswith(("numeric", "decimal"))


def key_of(dialect: Dialect, plan: StreamPlan) -> tuple[str, str]:
    """A plan's table as the destination compares it: schema, name."""
    return dialect.fold(plan.target_schema), dialect.fold(plan.target_table)


def fold_all(dialect: Dialect, types: dict[str, str]) -> dict[str, str]:
    return {dialect.fold(name): type_ for name, type_ in types.items()}


def fitting(
    dialect: Dialect, plan: StreamPlan, present: dict[str, str] | None, state: StreamState, refresh: bool
) -> Target:
    """What is to be done to the stream's table, whose columns are `present` (None: there is none, or it is empty).

    Raises EltError when the table does not fit: made by another program, or a column has another kind of values now.
    """
    if present is not None and not dialect.is_ours(present):
        raise EltError(
            f"stream {plan.label}: the table {plan.target_schema}.{plan.target_table} has not the columns"
            f" {', '.join(METADATA_COLUMNS)}; another program made it",
            "drop or rename that table, then sync again: the stream is read in full",
        )
    for name in plan.missing:
        if present is None or dialect.fold(name) not in present:
            raise EltError(
                f"stream {plan.label}: the source has no column {visible(name)} that the user may read",
                f"correct selectedFields; there are: {', '.join(map(visible, plan.offered))}",
            )
    if (
        present is None
        or plan.mode == SyncMode.FULL_REFRESH_OVERWRITE
        or (refresh and not _keeps(dialect, plan, present, state))
    ):
        types = {column.name: dialect.column_type(column.type) for column in plan.columns}
        return Target(create=True, write=Write.INSERT, from_start=True, types=types)
    types = _types(dialect, plan, present, state)
    extra = dialect.extra_types(plan)
    wanted = {dialect.fold(name): (name, type_) for name, type_ in (types | extra).items()}
    retype = tuple(pair for folded, pair in wanted.items() if present.get(folded, pair[1]) != pair[1])
    add = tuple(pair for folded, pair in wanted.items() if folded not in present)
    # old rows lack the values of a column that is new, was away or took another's name, and may have another form since a
    # change of type
    source_types = {column.name: column.source_type for column in plan.columns}
    identities = {column.name: column.identity for column in plan.columns}
    stale = not source_types.items() <= (state.columns or source_types).items()
    stale = stale or not identities.items() <= (state.identities or identities).items()
    stale = stale or any(name != RAW_ID for name, _ in (*add, *retype))
    return Target(
        create=False,
        write=_write(plan),
        from_start=refresh or (stale and plan.mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY),
        types=types,
        add=add,
        retype=retype,
        gone=tuple(name for name in present if name not in wanted),
        rewrite=refresh,
    )


def _keeps(dialect: Dialect, plan: StreamPlan, present: dict[str, str], state: StreamState) -> bool:
    """Whether a refresh goes into the table that is there, because deleted rows are remembered in it."""
    if not (plan.captured and fold_all(dialect, dialect.cdc_types).items() <= present.items()):
        return False
    try:
        _types(dialect, plan, present, state)
    except EltError:
        return False
    return True


def _write(plan: StreamPlan) -> Write:
    """How rows get into a table that is there. A connector's rows are appended as it sends them."""
    if plan.mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY:
        return Write.MERGE
    by_cursor = plan.mode == SyncMode.INCREMENTAL_APPEND and not (plan.emitted or plan.appends)
    return Write.APPEND if by_cursor else Write.INSERT


def _types(dialect: Dialect, plan: StreamPlan, present: dict[str, str], state: StreamState) -> dict[str, str]:
    """The type of each of the plan's columns in the table. Raises EltError when old and new values have none in common."""
    types = {}
    for column in plan.columns:
        found = present.get(dialect.fold(column.name))
        was = (state.columns or {}).get(column.name)
        type_ = dialect.column_type(column.type) if found is None else dialect.common_type(found, was, column)
        if type_ is None:
            raise EltError(
                f"stream {plan.label}: the column {visible(column.name)} is {column.source_type} in the source now"
                f" ({dialect.column_type(column.type)}), but {found} in {plan.target_schema}.{plan.target_table}",
                f"undo that change, or {REFRESH}",
            )
        types[column.name] = type_
    return types


def check_names(dialect: Dialect, plans: Iterable[StreamPlan]) -> None:
    """Raises EltError when two streams or columns would be one in the destination, where upper and lower case are the same, or a
    stream's table would be among our own.
    """
    targets: dict[tuple[str, str], StreamPlan] = {}
    for plan in plans:
        if dialect.fold(plan.target_schema) == dialect.fold(INTERNAL_SCHEMA):
            raise EltError(
                f"stream {plan.label}: the schema {plan.target_schema} holds the states of all connections",
                "give the connection another namespaceFormat",
            )
        other = targets.setdefault(key_of(dialect, plan), plan)
        if other is not plan:
            raise EltError(
                f"the streams {other.label} and {plan.label} would share the table {plan.target_schema}.{plan.target_table}",
                "give the connection a namespaceFormat with ${SOURCE_NAMESPACE}, or leave one of them out",
            )
        extra = fold_all(dialect, dialect.extra_types(plan))
        names = [dialect.fold(column.name) for column in plan.columns]
        for name in names:
            if names.count(name) > 1 or name in extra:
                raise EltError(
                    f"stream {plan.label}: the column name {visible(name.casefold())} is used twice (upper and lower case are"
                    " the same)",
                    "leave one of them out with selectedFields",
                )
