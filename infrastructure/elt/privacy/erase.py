"""Erasing a customer's person: first the source, then the warehouse, every published version and every backup.

Each step may be killed and done again. The source comes first: a sync that begins after it reads the erased rows, one that
began before ends before the warehouse's lease is ours. The warehouse's file is rewritten, because DuckDB leaves old values
in its free space.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from adventureworks import erasure
from adventureworks.database import connect_owner, readable_errors
from adventureworks.erasure import Subject
from elt.privacy import marks
from elt.privacy.protocol import Counts, Protocol, Run
from foundation.errors import EltError
from foundation.lease import lease
from foundation.settings import Settings
from foundation.warehouse import first_line
from orchestration.backup import WAREHOUSE, backups
from orchestration.backup import alone as alone_with_backups
from orchestration.publish.on_duckdb import replace_versions
from orchestration.sealed import exchange

LEASE_WAIT_SECONDS = 600.0


def erase(settings: Settings, customer: int, report: Callable[[str], None] = lambda line: None) -> Protocol:
    """Take everything about the customer's person out of source, raw, snapshots, marts and published versions.

    A run that did not come to its end is taken up; after a complete one there is nothing left to find. Raises EltError: no
    such customer, an employee, source down, warehouse in use (by whom), disk full, a target other than DuckDB.
    """
    if settings.dbt_target not in ("duckdb", "dev"):
        raise EltError(
            f"erasing is not built yet for the dbt target {settings.dbt_target}",
            "set DBT_TARGET=duckdb, or erase by hand",
        )
    try:
        with FileLock(settings.home / "privacy.lock", timeout=0):
            return _erase(settings, Protocol.of(settings, customer), report)
    except Timeout:
        raise EltError(
            "another `elt privacy erase` is at work", "wait for it to end, then try again"
        ) from None


def would_erase(settings: Settings, customer: int, report: Callable[[str], None]) -> None:
    """Report how many rows `erase` would change in source, warehouse, published versions and backups; nothing is changed.

    Raises EltError as `erase` does. The source's rows are changed in a transaction that is rolled back, so that they are
    counted as they would be.
    """
    with connect_owner(settings) as conn, readable_errors():
        subject = erasure.find(conn, customer)
        counts = erasure.erase(conn, subject)
        conn.rollback()
    report(f"source: {counted(counts)}")
    warehouse = settings.warehouse_path
    if warehouse.exists():
        with lease(warehouse, f"privacy erase {customer} --dry-run", LEASE_WAIT_SECONDS):
            report(f"warehouse: {counted(marks.count(warehouse, subject))}")
    serving = settings.serving_path
    for file in sorted(serving.parent.parent.glob(f"v*/{serving.name}")):
        report(f"published {file.parent.name}: {counted(marks.count(file, subject))}")
    for folder in backups(settings):
        if (folder / WAREHOUSE).exists():
            report(f"backup {folder.name}: {counted(marks.count(folder / WAREHOUSE, subject))}")
    for left in out_of_reach(settings):
        report(f"would be left alone: {left}")
    report("nothing was changed")


def _erase(settings: Settings, protocol: Protocol, report: Callable[[str], None]) -> Protocol:
    known = any(run.finished for run in protocol.runs) and protocol.open_run is None
    run = erase_in_source(settings, protocol)
    report(f"source: {counted(run.source)}")
    warehouse = settings.warehouse_path
    # a backup that is at work ends first: it may have copied the person already
    with (
        alone_with_backups(settings, LEASE_WAIT_SECONDS),
        lease(warehouse, f"privacy erase {protocol.customer}", LEASE_WAIT_SECONDS),
    ):
        try:
            if warehouse.exists():
                if not known or marks.holds(warehouse, run.subject):
                    add(run.warehouse, marks.scrub(warehouse, run.subject))
                    protocol.write()
                    rewrite_in_place(warehouse)
                report(f"warehouse: {counted(run.warehouse)}")
            erase_in_published(settings, protocol, run, report)
            erase_in_backups(settings, protocol, run, report)
        except (duckdb.Error, OSError) as error:
            raise EltError(
                f"erasing customer {protocol.customer} stopped: {first_line(error)}",
                "mend the cause (if the disk is full, free some space), then run the command again: it continues from here",
            ) from error
    for left in out_of_reach(settings):
        report(f"left alone: {left}")
    protocol.finish(run)
    return protocol


def out_of_reach(settings: Settings) -> list[str]:
    """What may hold something of the person and is not looked at, with what to do about it."""
    found = [
        f"{aside.name}, made from other data: remove it when it is not needed"
        for aside in sorted(settings.home.glob("warehouse-*.duckdb"))
    ]
    if settings.lake_in_use or (settings.home / "lake").exists():
        found.append("the lake, with the versions of rows that syncs have landed there: docs/lake.md, Limits")
    if "web" in settings.sources:
        found.append("the web site's events, with addresses: elt privacy retention ends them")
    if "stream" in settings.sources:
        found.append("events of the streaming lane, by the customer's number: they go after a week")
    return found


def erase_in_source(settings: Settings, protocol: Protocol) -> Run:
    """The source's rows, in one transaction; the plan is on disk before it commits."""
    with connect_owner(settings) as conn, readable_errors():
        found = erasure.find(conn, protocol.customer)
        run = protocol.open_run
        if run is None:
            run = protocol.begin(found)
        else:
            run.plan = run.subject.joined(found).as_dict()
        counts = erasure.erase(conn, run.subject)
        conn.commit()
    add(run.source, counts)
    protocol.write()
    return run


def rewrite_in_place(warehouse: Path) -> None:
    """Put a copy without free space in the file's place."""
    rewritten = warehouse.with_name(f"{warehouse.name}.rewritten")
    try:
        marks.rewrite(warehouse, rewritten, warehouse.stem)
        rewritten.replace(warehouse)
    finally:
        rewritten.unlink(missing_ok=True)


def cleaned(file: Path, subject: Subject, into: Path) -> Counts:
    """Write a file that nobody writes without the person: the file `into`."""
    work = into.with_name(f"{file.name}.work")
    shutil.copyfile(file, work)
    try:
        counts = marks.scrub(work, subject)
        marks.rewrite(work, into, file.stem)
    finally:
        work.unlink()
    return counts


def erase_in_published(
    settings: Settings, protocol: Protocol, run: Run, report: Callable[[str], None]
) -> None:
    """Every published version that holds something of the person is replaced by one that does not."""

    def change(file: Path, version: str) -> None:
        rewritten = file.with_name(f"{file.name}.rewritten")
        run.published[version] = cleaned(file, run.subject, rewritten)
        rewritten.replace(file)

    for version in replace_versions(settings, lambda file: marks.holds(file, run.subject), change):
        protocol.write()
        report(f"published {version}: {counted(run.published[version])}")
    for kept in settings.superset_results_dir.glob("*"):  # of the old files: not shown again, but there
        kept.unlink(missing_ok=True)


def erase_in_backups(settings: Settings, protocol: Protocol, run: Run, report: Callable[[str], None]) -> None:
    """The snapshots in the backups, which a restore would bring back; it still does, without the person."""
    for folder in backups(settings):
        file = folder / WAREHOUSE
        if file.exists() and marks.holds(file, run.subject):
            name, draft = f"backup {folder.name}", folder.with_name(f".{folder.name}")
            draft.mkdir(mode=0o700)  # of one that is killed here, nothing stays: see `alone`
            try:
                run.published[name] = cleaned(file, run.subject, draft / WAREHOUSE)
                exchange(folder, WAREHOUSE, draft / WAREHOUSE)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            protocol.write()
            report(f"{name}: {counted(run.published[name])}")


def add(total: Counts, counts: Counts) -> None:
    for table, count in counts.items():
        total[table] = total.get(table, 0) + count


def counted(counts: Counts) -> str:
    """`12 rows in 3 tables (person.person 1, …)`"""
    if not counts:
        return "nothing was left"
    tables = ", ".join(f"{table} {count}" for table, count in counts.items())
    return f"{sum(counts.values()):,} rows in {len(counts)} tables ({tables})"
