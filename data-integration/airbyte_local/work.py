"""What a sync has in hand once its streams are planned: the common ground of both ways to read."""

from __future__ import annotations

from dataclasses import dataclass, field

from airbyte_local.destinations.base import Session, Target
from airbyte_local.enums import FULL_REFRESH_MODES
from airbyte_local.failures import Key
from airbyte_local.jobs.report import Report
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from airbyte_local.sources.base import Source
from airbyte_local.states import fresh, usable


@dataclass
class Work:
    """Source and warehouse, both open; the state before; and by stream its plan, its state and its table."""

    source: Source
    warehouse: Session
    report: Report
    refresh: bool
    connection_id: str
    job_id: int
    saved: ConnectionState
    plans: list[StreamPlan] = field(default_factory=list)
    states: dict[Key, StreamState] = field(default_factory=dict)
    tables: dict[Key, Target] = field(default_factory=dict)

    def fit(self, plan: StreamPlan) -> None:
        """Find out how far the stream's state holds, and how its table has to change. Raises EltError when it cannot."""
        saved = self.saved.streams.get(plan.key)
        self.states[plan.key] = fresh(plan, saved) if self.refresh else usable(plan, saved)
        self.tables[plan.key] = self.warehouse.fitting(plan, self.states[plan.key], anew=self.refresh)

    def prepare(self, plan: StreamPlan) -> None:
        """Make the stream's table, or make it fit."""
        self.warehouse.prepare(plan, self.tables[plan.key])

    def begin(self, plan: StreamPlan) -> StreamState:
        """The stream's state, while its rows are loaded."""
        state = self.states[plan.key]
        if self.refresh or plan.mode in FULL_REFRESH_MODES:
            state.generation_id += 1
        state.columns = {column.name: column.source_type for column in plan.columns}
        state.identities = {column.name: column.identity for column in plan.columns}
        return state
