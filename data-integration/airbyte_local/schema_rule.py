"""What a connection's rule makes of columns that the source has since the last sync, or has no more."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from airbyte_local.enums import SchemaRule
from airbyte_local.jobs.report import Report
from airbyte_local.schema import StreamPlan, StreamState
from airbyte_local.work import Work
from foundation.errors import EltError
from foundation.quoting import visible

log = logging.getLogger(__name__)


def ruled(rule: SchemaRule, plans: Sequence[StreamPlan], work: Work, report: Report) -> list[StreamPlan]:
    """The plans with the columns that the rule lets through. A stream that is new here, or refreshed, has all.

    Raises EltError when the rule is to stop, and has the connection disabled.
    """
    if rule in (SchemaRule.PROPAGATE_COLUMNS, SchemaRule.PROPAGATE_FULLY):
        return list(plans)
    found, changes = [], []
    for plan in plans:
        saved = work.saved.streams.get(plan.key)
        if saved is None or saved.columns is None or work.refreshes(plan):
            found.append(plan)
            continue
        new, gone = new_columns(plan, saved), gone_columns(plan, saved)
        if new:
            log.warning("%s: new columns: %s", plan.label, ", ".join(map(visible, new)))
        changes += [f"{plan.label} has the new column {visible(name)}" for name in new]
        changes += [f"{plan.label} has no column {visible(name)} any more" for name in gone]
        found.append(without(plan, new))
    if rule == SchemaRule.DISABLE and changes:
        report.disable()
        raise EltError(
            f"the source has changed: {'; '.join(changes)}; the connection is disabled (nonBreakingSchemaUpdatesBehavior)",
            "make it active again, then refresh it; or give it another rule",
        )
    return found


def new_columns(plan: StreamPlan, saved: StreamState) -> list[str]:
    """Columns of the source that the last sync did not have; one that has the name of a dropped one is new. Those that the
    connection selects by name are no surprise.
    """
    if plan.selects:
        return []
    identities = set((saved.identities or {}).values()) - {""}
    return [
        column.name
        for column in plan.columns
        if (column.identity not in identities if identities else column.name not in saved.columns)
    ]


def gone_columns(plan: StreamPlan, saved: StreamState) -> list[str]:
    """Columns of the last sync that the source has no more; which those are, a stream with mappers does not tell."""
    if plan.mapping is not None or plan.selects:
        return []
    return [name for name in saved.columns or () if name not in plan.offered]


def without(plan: StreamPlan, names: Sequence[str]) -> StreamPlan:
    """The plan that does not write these columns; its source need not know."""
    if not names:
        return plan
    columns = tuple(column for column in plan.columns if column.name not in names)
    if plan.mapping is not None:
        return replace(plan, columns=columns, mapping=plan.mapping.without(names))
    return replace(plan, columns=columns)
