"""Publishing on Snowflake: schema MARTS is cloned to MARTS_NEXT, built and tested there, and swapped with it in one statement.

The table `PUBLISHED_VERSION` of its own schema says which version it is (number, run, when); so it travels with every
clone and swap. DDL commits in Snowflake, so no step here leans on a transaction: each leaves the old version or the new one,
and what a killed process left out is made good by the next `prepare`. Grants go with a swapped schema: they are given on
MARTS_NEXT before it. Schema PUBLISHING holds the lease and the hold.
"""

# ruff: noqa: S608 - names are quoted, values bound

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager

from snowflake.connector import SnowflakeConnection

from foundation.errors import EltError
from foundation.lease import RESERVED_SECONDS, WarehouseInUseError
from foundation.quoting import quoted
from foundation.settings import Settings
from orchestration.publish.version import Hold, Version, not_kept, now, rolled_back, superseded
from transformation.changed_inputs import TABLE as BUILT_FROM
from transformation.snowflake_session import ask as _ask
from transformation.snowflake_session import dbt_session

SHOWN, NEXT = "MARTS", "MARTS_NEXT"
RECORD = "PUBLISHED_VERSION"
BUILD_ENVIRONMENT = {"DBT_MARTS_SCHEMA": NEXT.lower()}

SETUP = (
    "create schema if not exists PUBLISHING",
    "create table if not exists PUBLISHING.LEASE (RUN varchar, SINCE varchar, RENEWED_AT double)",
    "create table if not exists PUBLISHING.HELD (NUMBER int, SINCE varchar)",
    f"create transient schema if not exists {SHOWN}",
)


def prepare(settings: Settings, run: str, wait_seconds: float) -> str:
    """Take the lease and clone what is shown to where the run builds."""
    with _session(settings) as session:
        for statement in SETUP:
            _ask(session, statement)
        _take_lease(session, run, wait_seconds)
        _keep_replaced(session, settings)
        _ask(session, f"create or replace transient schema {NEXT} clone {SHOWN}")
        shown = _record(session, SHOWN)
    return (
        f"{NEXT} is a clone of version {shown.number}"
        if shown
        else f"{NEXT} is empty: nothing is published yet"
    )


def publish(settings: Settings, run: str, wait_seconds: float, prepared: str | None) -> Version:
    """Swap MARTS_NEXT, which was built and tested, with MARTS. See `orchestration.publish.publish`."""
    started = time.monotonic()
    with _session(settings) as session:
        if prepared is None or not _renew(session, prepared):
            raise EltError(
                f"{NEXT} was not built by this run; the last version is still shown",
                "on Snowflake the DAG publishes: trigger a run",
            )
        tables = _tables(session, NEXT)
        if not tables:
            raise EltError(f"there are no tables in {NEXT}", "run the DAG")
        shown = _record(session, SHOWN)
        version = Version(
            number=(shown.number if shown else 0) + 1,
            run=run,
            published_at=now(),
            seconds=round(time.monotonic() - started, 2),
            tables=tables,
            current=True,
        )
        _ask(
            session,
            f"create or replace transient table {NEXT}.{RECORD} as select %s::int as NUMBER, %s::varchar as RUN,"
            " %s::varchar as PUBLISHED_AT, %s::double as SECONDS, false as WAS_SHOWN",
            version.number,
            run,
            version.published_at,
            version.seconds,
        )
        _grant(session, settings.snowflake_reporter_role)
        _ask(session, f"alter schema {SHOWN} swap with {NEXT}")
        _keep_replaced(session, settings)
        _release(session, prepared)
    return version


def leave(settings: Settings, prepared: str) -> Version | None:
    """See `orchestration.publish.leave`. Here a rollback takes the lease: a run that still has it has built upon the shown version."""
    with _session(settings) as session:
        shown = _record(session, SHOWN, current=True)
        if shown:
            if not _renew(session, prepared):
                raise rolled_back()
            _ask(session, f"drop schema if exists {NEXT}")
            _release(session, prepared)
    return shown


def give_back(settings: Settings, run: str) -> None:
    """End the lease, if it is this run's."""
    with _session(settings) as session:
        _release(session, run)


def renew(settings: Settings, run: str) -> bool:
    """Keep the lease alive; False when it is another run's."""
    with _session(settings) as session:
        return _renew(session, run)


def versions(settings: Settings) -> list[Version]:
    """See `orchestration.publish.versions`."""
    with _session(settings) as session:
        found = [
            _record(session, schema, current=schema == SHOWN)
            for schema in _schemas(session)
            if schema != NEXT
        ]
    return sorted((version for version in found if version), key=lambda version: version.number)


def tidy(settings: Settings) -> int:
    """Nothing: the next `prepare` replaces MARTS_NEXT."""
    return 0


def held(settings: Settings) -> Hold | None:
    """See `orchestration.publish.held`."""
    with _session(settings) as session:
        if not _exists(session, "PUBLISHING", "HELD"):
            return None
        rows = _ask(session, "select NUMBER, SINCE from PUBLISHING.HELD")
    return Hold(*rows[0]) if rows else None


def rollback(settings: Settings, number: int, wait_seconds: float) -> Version:
    """Hold first, then swap a clone of the earlier version in. See `orchestration.publish.rollback`."""
    me = "elt publish --rollback"
    with _session(settings) as session:
        _take_lease(session, me, wait_seconds)
        try:
            schemas = {r.number: s for s in _schemas(session) if s != NEXT and (r := _record(session, s))}
            if number not in schemas:  # a publish that was waited for has removed the oldest
                raise not_kept(number, sorted(schemas))
            _ask(session, "delete from PUBLISHING.HELD")
            _ask(session, "insert into PUBLISHING.HELD values (%s, %s)", number, now())
            if schemas[number] != SHOWN:
                # a clone copies the grants on its tables (COPY GRANTS is the default), not the schema's own
                _ask(session, f"create or replace transient schema {NEXT} clone {quoted(schemas[number])}")
                _grant(session, settings.snowflake_reporter_role)
                _ask(session, f"alter schema {SHOWN} swap with {NEXT}")
                _keep_replaced(session, settings)
            shown = _record(session, SHOWN, current=True)
        finally:
            _release(session, me)
    if shown is None:
        raise not_kept(number, sorted(schemas))
    return shown


def resume(settings: Settings) -> None:
    """See `orchestration.publish.resume`."""
    with _session(settings) as session:
        if _exists(session, "PUBLISHING", "HELD"):
            _ask(session, "delete from PUBLISHING.HELD")


# ---------------------------------------------------------------------------------------------------- versions


def _keep_replaced(session: SnowflakeConnection, settings: Settings) -> None:
    """If MARTS_NEXT is a version that was swapped out, keep it as MARTS_<run>; of the others those stay that `superseded` leaves."""
    shown, replaced = _record(session, SHOWN), _record(session, NEXT)
    if shown:
        _ask(session, f"update {SHOWN}.{RECORD} set WAS_SHOWN = true")
    # not the draft of a publish that was killed before the swap
    if (
        replaced
        and shown
        and replaced.number != shown.number
        and _ask(session, f"select WAS_SHOWN from {NEXT}.{RECORD}") == [(True,)]
    ):
        _ask(session, f"create or replace transient schema {quoted(_name(replaced))} clone {NEXT}")
    _ask(session, f"drop schema if exists {NEXT}")
    kept = {
        schema: record
        for schema in _schemas(session)
        if schema not in (SHOWN, NEXT) and (record := _record(session, schema))
    }
    known = [*kept.values(), *([shown] if shown else [])]
    gone = superseded(settings, ((record.number, record.published_at) for record in known))
    for schema, record in kept.items():
        if record.number in gone and (not shown or record.number != shown.number):
            _ask(session, f"drop schema if exists {quoted(schema)}")


def _name(version: Version) -> str:
    """MARTS_<run>, as an identifier; a run may have published twice."""
    run = re.sub(r"\W+", "_", version.run).upper()[:200]
    return f"{SHOWN}_{run}_V{version.number}"


def _schemas(session: SnowflakeConnection) -> list[str]:
    rows = _ask(
        session,
        "select TABLE_SCHEMA from INFORMATION_SCHEMA.TABLES where TABLE_NAME = %s and TABLE_SCHEMA like 'MARTS%%'"
        " order by TABLE_SCHEMA",
        RECORD,
    )
    return [schema for (schema,) in rows]


def _exists(session: SnowflakeConnection, schema: str, table: str) -> bool:
    query = "select count(*) from INFORMATION_SCHEMA.TABLES where TABLE_SCHEMA = %s and TABLE_NAME = %s"
    return _ask(session, query, schema, table) != [(0,)]


def _record(session: SnowflakeConnection, schema: str, current: bool = False) -> Version | None:
    """The version that a schema holds; None when it holds none."""
    if not _exists(session, schema, RECORD):
        return None
    [(number, run, published_at, seconds)] = _ask(
        session, f"select NUMBER, RUN, PUBLISHED_AT, SECONDS from {quoted(schema)}.{RECORD}"
    )
    return Version(number, run, published_at, seconds, _tables(session, schema), current)


def _tables(session: SnowflakeConnection, schema: str) -> dict[str, int]:
    """Rows of each table of the marts in a schema."""
    rows = _ask(
        session,
        "select lower(TABLE_NAME), ROW_COUNT from INFORMATION_SCHEMA.TABLES"
        " where TABLE_SCHEMA = %s and TABLE_TYPE = 'BASE TABLE' and TABLE_NAME not in (%s, %s) order by 1",
        schema,
        RECORD,
        BUILT_FROM.upper(),
    )
    return dict(rows)


def _grant(session: SnowflakeConnection, role: str) -> None:
    """Grant the readers the version that is about to be shown."""
    _ask(session, f"grant usage on schema {NEXT} to role {quoted(role)}")
    _ask(session, f"grant select on all tables in schema {NEXT} to role {quoted(role)}")


# ---------------------------------------------------------------------------------------------------- lease


def _take_lease(session: SnowflakeConnection, run: str, wait_seconds: float) -> None:
    """One statement takes it, when it is free, over, or this run's already. Raises WarehouseInUseError."""
    _ask(
        session,
        "insert into PUBLISHING.LEASE select null, null, null where not exists (select 1 from PUBLISHING.LEASE)",
    )
    deadline = time.monotonic() + wait_seconds
    while True:
        taken = _ask(
            session,
            "update PUBLISHING.LEASE set RUN = %s, SINCE = %s, RENEWED_AT = %s"
            " where RUN is null or RUN = %s or RENEWED_AT < %s",
            run,
            now(),
            time.time(),
            run,
            time.time() - RESERVED_SECONDS,
        )
        if taken[0][0]:
            return
        if time.monotonic() >= deadline:
            [(owner, since)] = _ask(session, "select RUN, SINCE from PUBLISHING.LEASE")
            raise WarehouseInUseError(
                f"the marts are in use by the run {owner} (since {since})", "wait for its end, then try again"
            )
        time.sleep(1)


def _renew(session: SnowflakeConnection, run: str) -> bool:
    query = "update PUBLISHING.LEASE set RENEWED_AT = %s where RUN = %s"
    return bool(_ask(session, query, time.time(), run)[0][0] > 0)


def _release(session: SnowflakeConnection, run: str) -> None:
    _ask(session, "update PUBLISHING.LEASE set RUN = null where RUN = %s", run)


# ---------------------------------------------------------------------------------------------------- session


def _session(settings: Settings) -> AbstractContextManager[SnowflakeConnection]:
    return dbt_session(settings, settings.dbt_target, "publishing")
