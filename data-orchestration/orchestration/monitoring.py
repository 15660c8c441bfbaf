"""What the pipeline did, in `monitoring.duckdb`: Airflow's runs and tasks, Airbyte's jobs, dbt's results, published versions.

Written after every run, failed ones too, and outside publishing. Each pass takes what is new at its origins and what was
not over at the last pass, so the next pass makes good a lost one. The file is replaced as a whole: a reader
(a dashboard, `elt runs`) is never locked out and never sees half a pass. Tables and marts: `monitoring.sql`.
"""

# ruff: noqa: S608 - names of our own tables, quoted

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
from filelock import FileLock

from foundation.errors import EltError
from foundation.quoting import literal, quoted
from foundation.settings import Settings
from foundation.warehouse import first_line, is_there
from orchestration.names import RECORD, SYNC_JOB, UNCHANGED
from orchestration.publish import versions
from streaming.environment import answer
from transformation.project import read_manifest
from transformation.results import results_path

SCHEMA = Path(__file__).with_suffix(".sql")
OVERLAP = timedelta(hours=1)  # looked at again, so that clocks that differ lose nothing
PAGE = 100  # Airflow's and Airbyte's largest
KEPT_DAYS = 90
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

# children first; the last one's count is reported
FORGET = (
    "delete from pipeline_tasks where (dag_id, run_id) in"
    " (select dag_id, run_id from pipeline_runs where run_after < $before)",
    "delete from sync_streams where job_id in (select job_id from sync_jobs where started_at < $before)",
    "delete from sync_jobs where started_at < $before",
    "delete from dbt_results where ended_at < $before",
    "delete from published_tables where published_at < $before",
    "delete from digests where sent_at < $before",
    "delete from lane_topics where looked_at < $before",
    "delete from pipeline_runs where run_after < $before",
)

log = logging.getLogger(__name__)
Row = dict[str, Any]


def monitoring_path(settings: Settings) -> Path:
    """The file that dashboards read."""
    return settings.monitoring_path


def prepare(settings: Settings) -> Path:
    """Make the file with its tables and marts, empty, when there is none, or bring an older one up to date; where it is."""
    path = monitoring_path(settings)
    if not path.exists() or not _is_up_to_date(path):
        _rewrite(settings, lambda duck: None)
    return path


@contextmanager
def opened(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables and marts, to be read; made or brought up to date before. Raises EltError when the file can't be read."""
    path, remedy = monitoring_path(settings), "move it away: the next run makes a new one"
    is_there(path, remedy)
    try:
        connection = duckdb.connect(prepare(settings), read_only=True)
    except duckdb.Error as error:
        raise EltError(f"{path} can't be read: {first_line(error)}", remedy) from None
    with connection:
        yield connection


def _is_up_to_date(path: Path) -> bool:
    """Whether the tables and marts are as `monitoring.sql` makes them now; a file that can't be read is left as it is."""
    try:
        with duckdb.connect(path, read_only=True) as duck:
            noted = duck.execute("select comment from duckdb_views() where view_name = 'mart_pipeline_runs'")
            return noted.fetchall() == [(_digest(),)]
    except duckdb.Error:
        return True


def _digest() -> str:
    return hashlib.sha256(SCHEMA.read_bytes()).hexdigest()


def record(settings: Settings, api: httpx.Client) -> dict[str, int]:
    """Take what is new at each origin; rows taken by table. `api` is Airflow's REST API.

    An origin that does not answer is left for the next pass, with a warning in the log; the others are taken. Raises
    EltError when the file itself can't be written.
    """
    taken: dict[str, int] = {}
    read: list[Path] = []

    def update(duck: duckdb.DuckDBPyConnection) -> None:
        # a file that begins with a dot is being written
        read.extend(file for file in sorted(results_path(settings).glob("*.json")) if file.name[0] != ".")
        if read:
            taken["dbt_results"] = _upsert(duck, "dbt_results", _dbt(settings, read))
        for origin in (_airflow, _airbyte, _published, _lane):
            try:
                rows = origin(settings, api, duck)
            except (httpx.HTTPError, EltError) as error:
                log.warning(
                    "monitoring: %s did not answer, the next run asks again: %s", origin.__name__, error
                )
                continue
            for table, new in rows.items():
                taken[table] = _upsert(duck, table, new)

    _rewrite(settings, update)
    for file in read:  # they are in the tables now; what has come since is the next pass's
        file.unlink(missing_ok=True)
    return taken


def failures_since_success(settings: Settings, dag_id: str, run_id: str) -> tuple[int, datetime | None]:
    """How many runs of a DAG have failed since one last succeeded, `run_id` aside, and when the first of them began."""
    query = """
        with others as (
            select state, started_at from pipeline_runs where dag_id = $dag_id and run_id <> $run_id
        )
        select count(*), min(started_at) from others
        where state = 'failed'
          and started_at > coalesce((select max(started_at) from others where state = 'success'), timestamptz '1900-01-01')
    """
    [row] = ask(settings, query, {"dag_id": dag_id, "run_id": run_id})
    return row


def has_succeeded(settings: Settings, dag_id: str, run_id: str) -> bool:
    """Whether a run of a DAG has ever succeeded, `run_id` aside."""
    query = "select 1 from pipeline_runs where state = 'success' and dag_id = $dag_id and run_id <> $run_id limit 1"
    return bool(ask(settings, query, {"dag_id": dag_id, "run_id": run_id}))


def age_of_shown(settings: Settings) -> timedelta | None:
    """How old the data is that analysts see: since the start of the sync that brought it. None: not known."""
    query = "select data_as_of from mart_freshness where version = $version"
    shown = next((version.number for version in versions(settings) if version.current), None)
    rows = ask(settings, query, {"version": shown})
    return datetime.now(UTC) - rows[0][0] if rows and rows[0][0] else None


def since_last_run(settings: Settings, run_id: str) -> timedelta | None:
    """How long ago a run last ended, `run_id` aside. None: none ever has."""
    query = "select max(ended_at) from pipeline_runs where run_id <> $run_id"
    [(last,)] = ask(settings, query, {"run_id": run_id})
    return datetime.now(UTC) - last if last else None


def claim_digest(settings: Settings, day: date) -> bool:
    """Take on the digest of a day; False when it was sent, another process is at it, or nothing ran that day."""
    mine = False

    def update(duck: duckdb.DuckDBPyConnection) -> None:
        nonlocal mine
        ran = duck.execute(
            "select 1 from pipeline_runs where cast(started_at as date) = ? limit 1", [day]
        ).fetchall()
        if ran and not duck.execute("select 1 from digests where day = ?", [day]).fetchall():
            duck.execute("insert into digests values (?, now())", [day])
            mine = True

    if not ask(settings, "select 1 from digests where day = $day", {"day": day}):
        _rewrite(settings, update)
    return mine


def leave_digest(settings: Settings, day: date) -> None:
    """Let the next run send the digest of a day: it could not be delivered."""

    def update(duck: duckdb.DuckDBPyConnection) -> None:
        duck.execute("delete from digests where day = ?", [day])

    _rewrite(settings, update)


def ask(settings: Settings, query: str, values: Row) -> list[tuple[Any, ...]]:
    """The rows of a query over the monitoring tables."""
    with duckdb.connect(prepare(settings), read_only=True) as duck:
        duck.execute("set timezone = 'UTC'")
        return duck.execute(query, values).fetchall()


def prune(settings: Settings, days: int = KEPT_DAYS) -> int:
    """Forget what is older than so many days; the number of runs forgotten."""
    forgotten = 0

    def update(duck: duckdb.DuckDBPyConnection) -> None:
        nonlocal forgotten
        before = {"before": datetime.now(UTC) - timedelta(days=days)}
        for statement in FORGET:
            [(forgotten,)] = duck.execute(statement, before).fetchall()

    _rewrite(settings, update)
    return forgotten


def _rewrite(settings: Settings, update: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """Apply `update` to a copy of the file, in one transaction, and put that in the file's place."""
    path = monitoring_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(".monitoring-draft.duckdb")
    with FileLock(path.with_name("monitoring.lock"), timeout=60):
        draft.with_name(draft.name + ".wal").unlink(missing_ok=True)  # of a pass that was killed
        try:
            if path.exists():
                shutil.copyfile(path, draft)
            else:
                draft.unlink(missing_ok=True)
            with duckdb.connect(draft, config={"memory_limit": "512MB"}) as duck:
                duck.execute("set timezone = 'UTC'")
                duck.execute(SCHEMA.read_text())
                duck.execute(f"comment on view mart_pipeline_runs is {literal(_digest())}")
                duck.execute("begin")
                update(duck)
                duck.execute("commit")
                duck.execute("checkpoint")
            draft.replace(path)
        except (duckdb.Error, OSError) as error:
            raise EltError(
                f"{path} can't be written: {str(error).splitlines()[0]}",
                "check the disk; move a broken file away, the next run makes a new one",
            ) from error


def _upsert(duck: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> int:
    """Insert rows, or replace those of the same key; fields that are not there are null."""
    if not rows:
        return 0
    columns = duck.execute(
        "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index",
        [table],
    ).fetchall()
    # as JSON text, so that no type is guessed from the first rows
    lines = pa.table({"line": [json.dumps(row, default=str) for row in rows]})
    duck.register("lines", lines)
    structure = literal(json.dumps(dict(columns)))
    duck.execute(
        f"insert or replace into {quoted(table)}" f" select unnest(from_json(line, {structure})) from lines"
    )
    duck.unregister("lines")
    return len(rows)


# ---------------------------------------------------------------------------------------------------- Airflow


def _airflow(settings: Settings, api: httpx.Client, duck: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Runs that are new or have moved since the last pass, and the tries of their tasks."""
    [(last,)] = duck.execute("select max(recorded_at) from pipeline_runs").fetchall()
    since = {"updated_at_gte": (last - OVERLAP).isoformat()} if last else {}
    now = datetime.now(UTC).isoformat()
    runs, tasks = [], []
    for run in _pages(api, "/dags/~/dagRuns", "dag_runs", order_by="run_after", **since):
        place = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        instances = list(_pages(api, place, "task_instances"))
        for instance in instances:
            tasks.append(_task(instance, is_last_try=True))
            if instance["try_number"] > 1 and instance["map_index"] == -1:
                tries = _get(api, f"{place}/{instance['task_id']}/tries")["task_instances"]
                tasks += [
                    _task(each, is_last_try=False)
                    for each in tries
                    if each["try_number"] < instance["try_number"]
                ]
        state, ended_at, seconds = _outcome(run, instances)
        runs.append(
            {
                "dag_id": run["dag_id"],
                "run_id": run["dag_run_id"],
                "run_type": run["run_type"],
                "state": state,
                "run_after": run["run_after"],
                "queued_at": run["queued_at"],
                "started_at": run["start_date"],
                "ended_at": ended_at,
                "seconds": seconds,
                "conf": run["conf"],
                "sync_job_id": _xcom(api, place, instances, "sync", SYNC_JOB),
                "unchanged_version": _xcom(api, place, instances, "publish", UNCHANGED),
                "recorded_at": now,
            }
        )
    return {"pipeline_runs": runs, "pipeline_tasks": tasks}


def _outcome(run: Row, instances: list[Row]) -> tuple[str, str | None, float | None]:
    """State, end and seconds of a run. One of which only `record` still runs has ended as far as anybody cares."""
    others = [task["state"] for task in instances if task["task_id"] != RECORD]
    if run["state"] != "running" or any(state not in ENDED for state in others):
        return run["state"], run["end_date"], run["duration"]
    now = datetime.now(UTC)
    state = "failed" if {"failed", "upstream_failed"} & set(others) else "success"
    return state, now.isoformat(), (now - datetime.fromisoformat(run["start_date"])).total_seconds()


def _task(instance: Row, *, is_last_try: bool) -> Row:
    return {
        "dag_id": instance["dag_id"],
        "run_id": instance["dag_run_id"],
        "task_id": instance["task_id"],
        "map_index": instance["map_index"],
        "try_number": instance["try_number"],
        "state": instance["state"],
        "operator": instance["operator_name"],
        "pool": instance["pool"],
        "queued_at": instance["queued_when"],
        "started_at": instance["start_date"],
        "ended_at": instance["end_date"],
        "seconds": instance["duration"],
        "is_last_try": is_last_try,
    }


def _xcom(api: httpx.Client, place: str, instances: list[Row], task_id: str, key: str) -> int | None:
    """A number that a task of the run left under a key, whether it succeeded or not; None when it left none."""
    if not any(task["task_id"] == task_id and task["start_date"] for task in instances):
        return None
    answer = api.get(f"{place}/{task_id}/xcomEntries/{key}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    return int(answer.raise_for_status().json()["value"])


def _get(api: httpx.Client, path: str, **params: Any) -> Row:
    answer: Row = api.get(path, params=params).raise_for_status().json()
    return answer


def _pages(api: httpx.Client, path: str, field: str, **params: Any) -> Iterator[Row]:
    offset = 0
    while True:
        page = _get(api, path, limit=PAGE, offset=offset, **params)
        yield from page[field]
        offset += len(page[field])
        if not page[field] or offset >= page["total_entries"]:
            return


# ---------------------------------------------------------------------------------------------------- Airbyte


def _airbyte(settings: Settings, api: httpx.Client, duck: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """The newest jobs, with the figures of their streams."""
    from airbyte_config import client
    from airbyte_config.jobs import recent

    airbyte = client.sdk(settings)
    workspace = client.workspace(airbyte, settings)
    names = {item["connectionId"]: item["name"] for item in client.connections(airbyte, workspace, settings)}
    jobs, streams = [], []
    for job in recent(airbyte, workspace_id=workspace, limit=PAGE, settings=settings):
        jobs.append(
            {
                "job_id": job.id,
                "connection": names.get(job.connection_id, job.connection_id),
                "job_type": job.type,
                "status": job.status.value,
                "started_at": job.started,
                "ended_at": None if job.active else job.started + timedelta(seconds=job.seconds),
                "seconds": job.seconds,
                "rows": job.rows,
                "bytes": job.bytes,
                "reason": job.reason or None,
            }
        )
        streams += [
            {
                "job_id": job.id,
                "stream": stream.name,
                "status": stream.status,
                "rows": stream.rows,
                "bytes": stream.bytes,
                "seconds": stream.seconds,
                "reason": stream.reason or None,
            }
            for stream in job.streams
        ]
    return {"sync_jobs": jobs, "sync_streams": streams}


# ---------------------------------------------------------------------------------------------------- publishing, dbt


def _published(
    settings: Settings, api: httpx.Client, duck: duckdb.DuckDBPyConnection
) -> dict[str, list[Row]]:
    return {
        "published_tables": [
            {
                "version": version.number,
                "run_id": version.run,
                "published_at": version.published_at,
                "table_name": table,
                "rows": rows,
            }
            for version in versions(settings)
            for table, rows in version.tables.items()
        ]
    }


def _lane(settings: Settings, api: httpx.Client, duck: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """How far the streaming lane has come; nothing where it is not in use."""
    if "stream" not in settings.sources:
        return {}
    found, now = answer("streaming.status"), datetime.now(UTC)
    behind: dict[str, int] = {}
    for group in found["groups"]:
        for topic, messages in group["lag"].items():
            behind[topic] = max(behind.get(topic, 0), messages)
    return {
        "lane_topics": [
            {
                "looked_at": now,
                "topic": one["topic"],
                "events": one["offsets"],
                "behind": behind.get(one["topic"]),
            }
            for one in found["topics"]
        ]
    }


def _dbt(settings: Settings, files: list[Path]) -> list[Row]:
    """The results that builds and freshness checks have left in these files."""
    try:
        manifest = read_manifest(settings)["nodes"]
    except EltError:
        manifest = {}  # the tests stay without their model
    rows: list[Row] = []
    for file in files:
        try:
            artifact = json.loads(file.read_text())
        except FileNotFoundError:
            continue  # another pass has taken it
        except ValueError:
            log.warning("monitoring: %s is not JSON", file)
            continue
        rows += _results(artifact, manifest)
    return rows


def _results(artifact: Row, manifest: Row) -> Iterator[Row]:
    about = artifact["metadata"]
    for result in artifact["results"]:
        resource_type, _, *names = result["unique_id"].split(".")
        timing = {step["name"]: step for step in result.get("timing", [])}.get("execute", {})
        attached = manifest.get(result["unique_id"], {}).get("attached_node") or ""
        yield {
            "invocation_id": about["invocation_id"],
            "dag_id": about["env"].get("DAG_ID"),
            "run_id": about["env"].get("RUN_ID"),
            "command": (artifact.get("args") or {}).get("which") or "build",
            "unique_id": result["unique_id"],
            "resource_type": resource_type,
            "name": manifest.get(result["unique_id"], {}).get("name")
            or names[-1 if resource_type == "source" else 0],
            "model": attached.rpartition(".")[2] or None,
            "status": result["status"],
            "started_at": timing.get("started_at"),
            "ended_at": timing.get("completed_at") or about["generated_at"],
            "seconds": result["execution_time"],
            "failures": result.get("failures"),
            "message": " ".join((result.get("message") or "").split())[:500] or None,
        }
