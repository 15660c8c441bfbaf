"""Backups of what can't be built again. A backup is a folder under `ELT_HOME/backups`, complete or not there.

It holds dbt's snapshots (the histories), the sync state, the databases of Airflow and Superset, the configuration and jobs of the
local Airbyte, the monitoring tables, and the secrets that some of these are encrypted with: keep it where only you can read.
The marts, staging and raw are not in it: a sync and a build make them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
from filelock import FileLock, Timeout

from foundation.errors import EltError
from foundation.lease import WarehouseInUseError, acquire, reading
from foundation.postgres import binaries
from foundation.quoting import literal, quoted
from foundation.settings import METADATA_SUPERUSER, Settings
from foundation.warehouse import NEW_FILE, is_there
from orchestration.publish import on_duckdb
from orchestration.sealed import seal, verify

KEPT = 7
STAMP = "%Y-%m-%dT%H%M%SZ"  # name of a backup's folder: when it was made
OLDEST_NEWEST = timedelta(days=2)  # of the newest backup
NO_BACKUP = (
    "`elt backup` makes one, the DAG adventureworks_maintenance makes one each night once it is switched on"
)
SCHEMAS = ("snapshots", "airbyte_internal")
STATE = "airbyte_internal"
WAREHOUSE, MONITORING, AIRBYTE, SECRETS = (
    "warehouse.duckdb",
    "monitoring.duckdb",
    "airbyte.sqlite",
    "secrets.env",
)


def backups(config: Settings) -> list[Path]:
    """The complete backups, oldest first."""
    found = (config.home / "backups").glob("2*")
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def backup_lacks(config: Settings) -> str:
    """What is wrong with the age of the newest backup: there should be one of the last two days. Empty: nothing, or nothing to lose yet."""
    if not config.warehouse_path.exists():
        return ""
    known = backups(config)
    if not known:
        return "there is no backup"
    try:
        made = datetime.strptime(known[-1].name, STAMP).replace(tzinfo=UTC)
    except ValueError:  # somebody has given it another name
        made = datetime.fromtimestamp(known[-1].stat().st_mtime, UTC)
    age = datetime.now(UTC) - made
    return f"the newest backup is {age.days} days old" if age > OLDEST_NEWEST else ""


def backup(
    config: Settings, report: Callable[[str], None] = lambda line: None, wait_seconds: float = 600
) -> Path:
    """Make a backup, whatever else runs; the last seven stay. Raises EltError; nothing of a failed one remains."""
    root = config.home / "backups"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(config, wait_seconds):
            return _backup(config, root, report, wait_seconds)
    except OSError as error:
        raise EltError(
            f"{root} can't be written: {error.strerror}",
            "make it writable, or move away what is in its place",
        ) from None
    finally:
        with suppress(OSError):
            root.rmdir()  # made for nothing; with a backup in it, it stays


@contextmanager
def alone(config: Settings, wait_seconds: float) -> Iterator[None]:
    """For the length of a block nobody else makes or changes a backup, and there is no half one. Who also takes the warehouse's lease
    takes this first. Raises EltError.
    """
    lock = FileLock(config.home / "backups.lock")
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise EltError(
            "another `elt backup` or `elt privacy erase` is at work", "wait for it, then try again"
        ) from None
    try:
        for leftover in (config.home / "backups").glob(".2*"):  # of one that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        lock.release()


def _backup(config: Settings, root: Path, report: Callable[[str], None], wait_seconds: float) -> Path:
    folder = root / _name(backups(config))
    draft = folder.with_name(f".{folder.name}")
    draft.mkdir(mode=0o700)
    try:
        for name, part in PARTS.items():
            if found := part(config, draft, wait_seconds):
                report(f"{name}: {found}")
        seal(draft)
        for path in draft.iterdir():
            path.chmod(0o600)
        draft.rename(folder)
    except (duckdb.Error, sqlite3.Error, OSError, psycopg.Error) as error:
        raise EltError(
            f"the backup failed: {str(error).splitlines()[0]}", "check the disk and `elt status`"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in backups(config)[:-KEPT]:
        shutil.rmtree(old.rename(old.with_name(f".{old.name}")))  # half removed it is no backup any more
    return folder


def _name(known: list[Path]) -> str:
    """Of a new backup: after all others, also within a second of the newest, or when the clock was put back."""
    moment = datetime.now(UTC)
    with suppress(IndexError, ValueError):  # there is none, or somebody has given it another name
        newest = datetime.strptime(known[-1].name, STAMP).replace(tzinfo=UTC)
        moment = max(moment, newest + timedelta(seconds=1))
    return moment.strftime(STAMP)


def restore(
    config: Settings,
    name: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    obstacles: Sequence[str] = (),
    wait_seconds: float = 5.0,
) -> Path:
    """Put a backup's content (the newest one's, without a name) in the place of what is there.

    Snapshots always, and what was built from the newer ones is void then; the sync state only into a warehouse that has raw
    tables and has lost it, because without the rows that it speaks of the next sync has to read all. Airflow and Airbyte must
    not run: the caller says in `obstacles` what it has found. All that a restore needs is checked first. Raises EltError: no
    such backup, one that is not as it was made, or all that is missing, in one line; then nothing has been changed.
    """
    known = {path.name: path for path in backups(config)}
    if not known or (name and name not in known):
        raise EltError(
            f"there is no backup {name or ''}".rstrip(),
            f"there is: {', '.join(known) or 'none'}; `elt backup`",
        )
    folder = known[name] if name else backups(config)[-1]
    verify(folder)
    problems = [*obstacles, *_missing(config, folder)]
    lock = None
    try:
        lock = acquire(config.warehouse_path, "elt restore", wait_seconds)
    except WarehouseInUseError as error:
        problems.append(error.message)
    if problems or lock is None:
        if lock:
            lock.release()
        raise EltError(f"nothing was restored: {'; '.join(problems)}", "mend all of that, then restore")
    try:
        _put_back(config, folder, report)
    except (duckdb.Error, OSError) as error:
        raise EltError(
            f"the restore failed: {str(error).splitlines()[0]}", "mend that, then restore again"
        ) from error
    finally:
        lock.release()
    return folder


def _missing(config: Settings, folder: Path) -> Iterator[str]:
    """What a restore of this backup needs and does not find, each with what to do."""
    ours = config.home / SECRETS
    if not ours.exists() or (folder / SECRETS).read_text() != ours.read_text():
        yield (
            f"the secrets of {folder.name} are not those of this ELT_HOME (copy {folder / SECRETS} to {ours},"
            " `elt down`, `elt up postgres`)"
        )
    elif dumps := {dump.stem for dump in folder.glob("*.dump")}:
        try:
            if absent := dumps - set(_databases(config)):
                yield f"PostgreSQL has no database {', '.join(sorted(absent))} (`elt up airflow superset` makes them)"
        except psycopg.Error as error:
            yield (
                f"PostgreSQL does not answer at {config.metadata_host}:{config.metadata_port}"
                f" (`elt up postgres`; it says: {str(error).splitlines()[0]})"
            )
    # warehouse and metadata grow by about what they get, a file is replaced by a copy
    needed = 2 * sum(path.stat().st_size for path in folder.iterdir())
    if (free := shutil.disk_usage(config.home).free) < needed:
        yield f"the disk of {config.home} has {free >> 20} MiB free, and this takes {needed >> 20} MiB"


def _put_back(config: Settings, folder: Path, report: Callable[[str], None]) -> None:
    """The content of a backup; each database in one transaction, each file in one step. The caller holds the lease."""
    for dump in sorted(folder.glob("*.dump")):
        options = ("--clean", "--if-exists", "--exit-on-error", "--single-transaction")
        _postgres(config, "pg_restore", dump.stem, *options, str(dump))
        report(f"metadata: {dump.stem}")
    for table in _restore_warehouse(config, folder / WAREHOUSE):
        report(f"warehouse: {table}")
    for file, place in (
        (AIRBYTE, config.home / "airbyte" / AIRBYTE),
        (MONITORING, config.home / MONITORING),
    ):
        if (folder / file).exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_name(f".{place.name}.restored")
            draft.unlink(missing_ok=True)  # of a restore that was killed
            draft.touch(mode=0o600)
            shutil.copyfile(folder / file, draft)
            for leftover in place.parent.glob(f"{place.name}-*"):  # SQLite's, of the database that goes
                leftover.unlink()
            draft.replace(place)  # a link there is replaced, never followed
            report(f"{file}: as it was")


# ---------------------------------------------------------------------------------------------------- the parts


def _warehouse(config: Settings, folder: Path, wait_seconds: float) -> str:
    if not os.path.lexists(config.warehouse_path):
        return ""
    with reading(config.warehouse_path, "elt backup", wait_seconds):
        is_there(config.warehouse_path)
        with duckdb.connect(folder / WAREHOUSE, config=NEW_FILE) as duck:
            duck.execute(f"attach {literal(str(config.warehouse_path))} as source (read_only)")
            tables = list(_copy(duck, "source", "warehouse", SCHEMAS))
            duck.execute("detach source; checkpoint")
    return f"{len(tables)} tables of {', '.join(SCHEMAS)}"


def _copy(
    duck: duckdb.DuckDBPyConnection, source: str, target: str, schemas: tuple[str, ...]
) -> Iterator[str]:
    """Copy the tables of some schemas from one attached database to another, replacing; their names."""
    for schema, table in duck.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? and list_contains(?, schema_name) order by all",
        [source, list(schemas)],
    ).fetchall():
        place = f"{quoted(schema)}.{quoted(table)}"
        duck.execute(f"create schema if not exists {quoted(target)}.{quoted(schema)}")
        duck.execute(f"create or replace table {quoted(target)}.{place} as from {quoted(source)}.{place}")
        yield f"{schema}.{table}"


def _restore_warehouse(config: Settings, file: Path) -> list[str]:
    if not file.exists():
        return []
    on_duckdb.void(config)
    with duckdb.connect(config.warehouse_path) as duck:
        duck.execute(f"attach {literal(str(file))} as backup (read_only)")
        here = {
            schema
            for (schema,) in duck.execute(
                "select distinct schema_name from duckdb_tables()" " where database_name = current_database()"
            ).fetchall()
        }
        raw = any(schema.startswith("adventureworks_") for schema in here)
        schemas = tuple(s for s in SCHEMAS if s != STATE or (raw and STATE not in here))
        duck.execute("begin")
        tables = list(_copy(duck, "backup", config.warehouse_path.stem, schemas))
        on_duckdb.drop_built(duck)
        duck.execute("commit")
    return tables


def _metadata(config: Settings, folder: Path, wait_seconds: float) -> str:
    if not (
        config.metadata_dir / "PG_VERSION"
    ).exists():  # another's, as RDS: that one has backups of its own
        return ""
    names = _databases(config)
    for name in names:
        _postgres(config, "pg_dump", name, "--format=custom", f"--file={folder / name}.dump")
    return ", ".join(names)


def _databases(config: Settings) -> list[str]:
    """The databases of the metadata cluster. Raises psycopg.Error when it does not answer."""
    with psycopg.connect(
        host=config.metadata_host,
        port=config.metadata_port,
        user=METADATA_SUPERUSER,
        dbname="postgres",
        password=config.metadata_password.get_secret_value(),
        connect_timeout=10,
    ) as connection:
        query = "select datname from pg_database where not datistemplate and datname <> 'postgres' order by 1"
        return [name for (name,) in connection.execute(query)]


def _postgres(config: Settings, program: str, database: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a database of the metadata cluster."""
    place = [
        f"--host={config.metadata_host}",
        f"--port={config.metadata_port}",
        f"--username={METADATA_SUPERUSER}",
        f"--dbname={database}",
    ]
    done = subprocess.run(
        [binaries() / program, "--no-password", *place, *arguments],
        env=os.environ | {"PGPASSWORD": config.metadata_password.get_secret_value()},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason was given"]
        raise EltError(f"{program} {database}: {said[-1]}", "`elt up postgres`, and see `elt logs postgres`")


def _airbyte(config: Settings, folder: Path, wait_seconds: float) -> str:
    store = config.home / "airbyte" / AIRBYTE
    if not store.exists():
        return ""
    with (
        closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(folder / AIRBYTE)) as copy,
    ):
        try:
            source.backup(copy)
        except sqlite3.DatabaseError as error:
            raise EltError(
                f"{store} can't be read: {error}", "restore it, or start over with `elt clean`"
            ) from None
    return "configuration and jobs"


def _files(config: Settings, folder: Path, wait_seconds: float) -> str:
    found = [name for name in (MONITORING, SECRETS) if (config.home / name).exists()]
    for name in found:
        shutil.copyfile(config.home / name, folder / name)
    return ", ".join(found)


PARTS: dict[str, Callable[[Settings, Path, float], str]] = {
    "warehouse": _warehouse,
    "metadata": _metadata,
    "airbyte": _airbyte,
    "files": _files,
}
