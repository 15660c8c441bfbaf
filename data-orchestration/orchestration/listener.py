"""A run starts when the shop has changed something: a trigger looks at the source every few seconds and reports that to Airflow.

Airflow's triggerer runs it while the DAG is not paused, without a process of its own. What it asks the source for needs no right beyond
the login of Airbyte's reader, takes no lock on a table and leaves the replication slot alone: the counters of rows written, the end of the
log, and the position up to which the last sync has brought the changes. The triggerer keeps what is imported here in memory: it imports
little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airbyte_local.sources.postgres.connect import Address, unreachable
from foundation.rows import one_row
from foundation.settings import Settings, settings

OPTIONS = "-c statement_timeout=10s -c lock_timeout=1s -c default_transaction_read_only=on"

# The tables that a publication lists, with their partitions; all tables, where it lists none (FOR ALL TABLES) or there is none. A
# truncated table has another file. Catalogues only: functions such as pg_partition_tree would wait for a table that is locked.
LOOK = """
with recursive listed as (
    select r.prrelid as oid
    from pg_publication_rel as r
    join pg_publication as p on p.oid = r.prpubid
    where p.pubname = %(publication)s
    union
    select i.inhrelid
    from pg_inherits as i
    join listed on listed.oid = i.inhparent
)
select
    concat_ws(
        ' ',
        sum(pg_stat_get_tuples_inserted(c.oid)),
        sum(pg_stat_get_tuples_updated(c.oid)),
        sum(pg_stat_get_tuples_deleted(c.oid)),
        sum(c.relfilenode::bigint)
    ),
    (
        case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_insert_lsn() end - '0/0'
    )::bigint,
    (
        select (s.confirmed_flush_lsn - '0/0')::bigint
        from pg_replication_slots as s
        where s.slot_name = %(slot)s and s.database = current_database()
    )
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r'
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (c.oid in (select oid from listed) or not exists (select from listed))
"""


@dataclass(frozen=True)
class Look:
    """The source at one moment. Positions are in bytes of its log; `synced` is None where no sync has made the slot yet."""

    written: str  # differs as soon as a row was written
    position: int
    synced: int | None


@dataclass(frozen=True)
class Runs:
    """How many runs of the DAG there are: queued or running, failed, and succeeded."""

    active: int
    failed: int
    succeeded: int


def look(settings: Settings) -> Look:
    """Ask the source. Raises EltError when it can't be reached, psycopg.Error when it does not answer the question."""
    address = Address(
        host=settings.source_host,
        port=settings.source_port,
        database=settings.source_database,
        username=settings.source_reader,
        password=settings.source_reader_password.get_secret_value(),
        ssl_mode=settings.source_ssl_mode,
    )
    names = {"publication": settings.source_publication, "slot": settings.source_slot}
    try:
        with (
            address.conninfo(OPTIONS, "elt listener") as conninfo,
            psycopg.connect(conninfo, autocommit=True) as connection,
        ):
            return Look(*one_row(connection.execute(LOOK, names)))
    except psycopg.OperationalError as error:
        raise unreachable(address, str(error)) from None


class Listener:
    """Decides when a run is due. It knows what it has seen since it began; changes before that wait for the schedule."""

    def __init__(self) -> None:
        self._written: str | None = None
        self._changed_at: int | None = None  # no later change was seen at this position of the log
        self._synced: int | None = None  # at the last look with nothing to bring, or when a run was asked for
        self._ended = Runs(0, 0, 0)  # when a run was asked for

    def saw(self, look: Look) -> bool:
        """Whether the source holds changes that no sync has brought, and no run was asked for."""
        if self._written is None:
            self._written = look.written
        elif look.written != self._written:
            self._written, self._changed_at = look.written, look.position
        if look.synced is not None and self._changed_at is not None and look.synced >= self._changed_at:
            self._changed_at = None
        if self._changed_at is None:
            self._synced = look.synced
        return self._changed_at is not None

    def due(self, look: Look, runs: Runs) -> bool:
        """Whether to ask for a run now, of what was seen at the last look.

        A run that is under way brings the changes, unless its sync is over, as the slot shows: then the next run is asked for early. After
        a run that failed, the schedule or a person starts the next one, and only when one has succeeded does the listener again.
        """
        moved = self._synced is not None and look.synced is not None and look.synced > self._synced
        if runs.active and not moved:
            return False
        # old runs are removed at times: what counts is a rise
        before = Runs(0, min(self._ended.failed, runs.failed), min(self._ended.succeeded, runs.succeeded))
        self._ended = before
        if runs.failed > before.failed and runs.succeeded == before.succeeded:
            return False
        self._ended, self._synced, self._changed_at = runs, look.synced, None
        return True


class SourceChanges(BaseEventTrigger):
    """An event for each time that a run of the DAG is due because the source has changed; looks every so many `seconds`."""

    def __init__(self, dag_id: str, seconds: float) -> None:
        super().__init__()
        self.dag_id, self.seconds = dag_id, seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """By which Airflow makes it again, in whichever triggerer."""
        return f"{__name__}.{type(self).__name__}", {"dag_id": self.dag_id, "seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Events without end. Whether it listens, and why not, is logged once until that changes."""
        listener = Listener()
        trouble: str | None = None
        while True:
            due, found = False, ""
            try:
                due = await self._due(listener)
            except Exception as error:  # noqa: BLE001 - asked again; until then the schedule starts runs
                found = " ".join(str(error).split()) or type(error).__name__
            if found != trouble:
                self.log.warning(
                    "%s", f"not listening: {found}" if found else f"listening: changes start {self.dag_id}"
                )
                trouble = found
            if due:
                yield TriggerEvent({"source": "changed"})
            await asyncio.sleep(self.seconds)

    async def _due(self, listener: Listener) -> bool:
        seen = await asyncio.to_thread(look, settings())
        return listener.saw(seen) and listener.due(seen, await self._runs())

    async def _runs(self) -> Runs:
        count = sync_to_async(RuntimeTaskInstance.get_dr_count)
        return Runs(
            await count(dag_id=self.dag_id, states=["queued", "running"]),
            await count(dag_id=self.dag_id, states=["failed"]),
            await count(dag_id=self.dag_id, states=["success"]),
        )


def when_changed(dag_id: str, settings: Settings) -> AssetOrTimeSchedule | str | None:
    """The schedule of a DAG: by the clock, and between its ticks whenever the source has changed, unless the settings switch that off."""
    if settings.elt_schedule == "manual":
        return None
    if not (seconds := settings.listen_seconds):
        return settings.elt_schedule
    watcher = AssetWatcher(name="source_changes", trigger=SourceChanges(dag_id, seconds))
    return AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(settings.elt_schedule, timezone="UTC"),
        assets=[Asset("adventureworks_source", watchers=[watcher])],
    )
