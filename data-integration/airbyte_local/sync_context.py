"""What a sync has in hand once its streams are planned, however it reads them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_local.destinations.base import Session, Target
from airbyte_local.enums import FULL_REFRESH_MODES
from airbyte_local.failures import Key
from airbyte_local.jobs.report import Report
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from airbyte_local.sources.base import Reading, Source
from airbyte_local.states import fresh, usable

log = logging.getLogger(__name__)


@dataclass
class SyncContext:
    """Source and warehouse, both open; the state before; and by stream its plan, its shape, its state and its table."""

    source: Source
    warehouse: Session
    report: Report
    refresh: bool
    job_id: int
    saved: ConnectionState
    chosen: frozenset[Key] | None = None  # the streams that the job is for; None: all
    plans: list[StreamPlan] = field(default_factory=list)
    shapes: dict[Key, dict[str, Any]] = field(default_factory=dict)
    states: dict[Key, StreamState] = field(default_factory=dict)
    tables: dict[Key, Target] = field(default_factory=dict)

    def refreshes(self, plan: StreamPlan) -> bool:
        """Whether the stream is read as a whole, into a new table."""
        return self.refresh and (self.chosen is None or plan.key in self.chosen)

    def fit(self, plan: StreamPlan) -> None:
        """Find out how far the stream's state holds, and how its table has to change. Raises EltError when it cannot."""
        saved = self.saved.streams.get(plan.key)
        refresh = self.refreshes(plan)
        self.states[plan.key] = fresh(plan, saved) if refresh else usable(plan, saved)
        self.tables[plan.key] = self.warehouse.fitting(plan, self.states[plan.key], refresh=refresh)
        if self.tables[plan.key].from_start or saved is None or plan.key not in self.shapes:
            return
        if self.source.reading == Reading.MESSAGES:  # what its streams are made of, only the connector knows
            return
        if reason := self.source.reshaped(plan.read, saved.shape, self.shapes[plan.key]):
            log.info("%s: read as a whole: %s", plan.label, reason)
            self.states[plan.key].cursor = None
            self.tables[plan.key] = replace(self.tables[plan.key], from_start=True)

    def prepare(self, plan: StreamPlan) -> None:
        """Make the stream's table, or make it fit."""
        self.warehouse.prepare(plan, self.tables[plan.key])

    def reads_again(self, plan: StreamPlan) -> bool:
        """Whether the stream keeps each change as a row, and has rows of before that stay when it is read as a whole."""
        return plan.appends and plan.key in self.saved.streams and not self.refreshes(plan)

    def begin(self, plan: StreamPlan, *, whole: bool = False) -> StreamState:
        """The stream's state, while its rows are loaded; `whole`: all of them, not changes alone."""
        state = self.states[plan.key]
        again = whole and self.reads_again(plan)
        if self.refreshes(plan) or plan.mode in FULL_REFRESH_MODES or again:
            state.generation_id += 1
        state.columns = {column.name: column.source_type for column in plan.columns}
        state.identities = {column.name: column.identity for column in plan.columns}
        state.shape = self.shapes.get(plan.key)
        return state
