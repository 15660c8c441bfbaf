"""Run a job or a query: with a cluster of this machine, which lasts as long as it, or on one that is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from foundation.errors import EltError, Kind
from foundation.scratch import scratch
from foundation.settings import Settings
from lake.place import catalogue, credentials
from spark.cluster import (
    LOOPBACK,
    Cluster,
    Workers,
    cluster,
    environment,
    kept,
    settings_of,
    write_configuration,
)
from spark.environment import SPARK, install, java
from spark.jobs import Job

PROGRAM = Path(__file__).parent / "program.py"
DRIVER_MB = 1024
LOOK_SECONDS = 1.0  # between two looks at the cluster's parts
CATALOG = "spark.sql.catalog.lake"


@dataclass(frozen=True)
class Place:
    """Where Spark runs. `master`: the address of a cluster that is there; empty: one of this machine. `properties`: a file with more of
    Spark's settings."""

    workers: Workers
    master: str = ""
    properties: Path | None = None


@dataclass(frozen=True)
class Done:
    """A job that has committed: rows in the table, the commit of the lake that they are from; seconds until the workers were there, and
    from then to the end."""

    table: str
    rows: int
    commit: int
    snapshot: int
    start_seconds: float
    seconds: float


def run_job(config: Settings, job: Job, place: Place) -> Done:
    """Build a job's table from the lake; it replaces the one that is there in one commit of the catalogue.

    Raises EltError: no Java, the catalogue can't be reached, a table is missing, or the job failed; then the table is as it was.
    """
    request = {
        "target": job.target,
        "query": job.query,
        "tables": {table.identifier.rpartition(".")[2]: asdict(table) for table in job.tables},
        "seeds": job.seed_rows,
        "keep_hours": config.lake_unused_hours,
    }
    answer = _run(config, f"the job {job.name}", request, place)
    return Done(table=job.target, **answer)


def ask(config: Settings, query: str, limit: int, place: Place) -> tuple[list[str], list[list[str | None]]]:
    """The columns of a query's answer, and its rows as text: at most `limit`, and one more where there are more. Raises EltError."""
    answer = _run(config, "the query", {"query": query, "limit": limit}, place)
    return answer["columns"], answer["rows"]


def _run(config: Settings, what: str, request: dict[str, Any], place: Place) -> dict[str, Any]:
    if not config.lake_catalog_base:
        raise EltError("no catalogue is configured", "set LAKE_CATALOG to an Iceberg REST catalogue")
    given = _given(place.properties)
    engine = java()
    _look_at_catalogue(config)
    jars = install()
    with scratch("run", config.home / "spark") as folder, ExitStack() as stack:
        logs = folder / "logs"
        logs.mkdir()
        environ = environment(engine, folder, credentials(config))
        try:
            if place.master:
                values = _settings(config) | {"spark.jars": ",".join(map(str, jars))} | given
                there, wanted = Cluster(place.master), 0
            else:
                values = _settings(config) | settings_of(place.workers, jars) | given
                write_configuration(folder, values)
                there = stack.enter_context(cluster(place.workers, environ, logs))
                environ["SPARK_LOCAL_IP"], wanted = LOOPBACK, place.workers.count
            write_configuration(folder, values | {"spark.master": there.address})
            answer = _answered(folder, environ, request | {"workers": wanted}, there)
        except EltError as error:
            raise EltError(error.message, _saved(config, logs), kind=error.kind) from None
        if "error" in answer:
            raise _failed(config, what, answer, logs)
        return answer


def _look_at_catalogue(config: Settings) -> None:
    """Raises EltError when the catalogue does not answer: Spark would find out after half a minute, and in many words."""
    try:
        httpx.get(f"{config.lake_catalog_base}/v1/config", timeout=10)
    except httpx.HTTPError as error:
        raise EltError(
            f"the catalogue {config.lake_catalog_base} can't be used: {error or type(error).__name__}",
            "check LAKE_CATALOG and that it runs (here: elt up lake), then try again",
            kind=Kind.RETRY,
        ) from None


def _settings(config: Settings) -> dict[str, str]:
    """Spark's settings that hold on any cluster: the lake's catalogue, as the loader knows it, and exact arithmetic."""
    return {
        "spark.app.name": "elt",
        "spark.driver.memory": f"{DRIVER_MB}m",
        "spark.ui.enabled": "false",
        "spark.sql.ansi.enabled": "true",  # what has no room is an error, not null
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": "warehouse",  # never made: all tables are in the catalogue
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        CATALOG: "org.apache.iceberg.spark.SparkCatalog",
        f"{CATALOG}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{CATALOG}.client.region": config.lake_region,
        f"{CATALOG}.s3.path-style-access": str(bool(config.lake_base)).lower(),
        **{f"{CATALOG}.{name}": value for name, value in catalogue(config).items()},
    }


def _given(properties: Path | None) -> dict[str, str]:
    """The settings of a file in the form of spark-defaults.conf."""
    if properties is None:
        return {}
    lines = [line.strip() for line in properties.read_text().splitlines()]
    found = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        setting = re.fullmatch(r"(spark\.\S+?)\s*[=\s]\s*(\S.*)", line)
        if setting is None:
            raise EltError(f"{properties}, line {number}: no setting of Spark", "write: spark.NAME VALUE")
        found[setting[1]] = setting[2]
    return found


def _answered(
    folder: Path, environ: dict[str, str], request: dict[str, Any], there: Cluster
) -> dict[str, Any]:
    """What the program answers. Raises EltError when it ends without an answer, or a part of the cluster ends before it."""
    asked, answered, log = folder / "request.json", folder / "answer.json", folder / "logs" / "driver.log"
    asked.write_text(json.dumps(request))
    command = [str(SPARK.python), str(PROGRAM), str(asked), str(answered)]
    with kept(command, environ, log) as driver:
        while driver.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                driver.wait(LOOK_SECONDS)
            if driver.poll() is None and not there.whole:
                raise EltError("a worker of Spark, or its master, has ended in mid-run", kind=Kind.RETRY)
        code = driver.returncode
    try:
        answer: dict[str, Any] = json.loads(answered.read_text())
    except (OSError, ValueError):
        raise EltError(f"Spark ended without an answer (exit code {code})", kind=Kind.RETRY) from None
    return answer


def _failed(config: Settings, what: str, answer: dict[str, Any], logs: Path) -> EltError:
    """The error that a program's answer tells, with the remedy if it knows one."""
    told = answer["error"]
    if answer["remedy"]:
        return EltError(told, answer["remedy"])
    return EltError(f"{what} failed: {told}", _saved(config, logs))


def _saved(config: Settings, logs: Path) -> str:
    """Keep the logs of a run that failed, in the place of those of the last one; where they are, as a remedy."""
    to = config.logs_dir / "spark"
    shutil.rmtree(to, ignore_errors=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(logs, to, dirs_exist_ok=True)
    return f"see the logs in {to}"
