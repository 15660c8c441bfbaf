"""Running dbt: every dbt process of this project starts here, or (Airflow's) with the variables that are made here.

There are two ways. `invoke` runs dbt in this process, `apart` in one of its own. Both give dbt the same environment, and both
raise a DbtError with the first lines of dbt's message that say something. `watched` is for Airflow's task, which has its own for both.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.errors import EltError
from foundation.settings import Settings
from transformation.project import PROJECT, is_manifest_of, note_manifest, project_digest, target_path

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

LONGEST_REASON = 400  # characters
KEPT = "partial_parse.msgpack"
QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}


class DbtError(EltError):
    """dbt could not do what it was asked for; the message has its reason in one line."""


# ---------------------------------------------------------------------------------------------------- the environment


def variables(settings: Settings, target: str | None = None) -> dict[str, str]:
    """The variables that `profiles.yml` and the project read, each with the value that the settings have.

    They replace those of the same name in the process's environment, empty ones among them. For the
    target `snowflake` they hold the secret key: never print them. Raises EltError when that target lacks its login.
    """
    target = target or settings.dbt_target
    found = {
        "ELT_HOME": str(settings.home),
        "ELT_SOURCES": ",".join(settings.sources),
        "ELT_CONNECTIONS": settings.elt_connections,
        "ELT_LEASE_WAIT_SECONDS": f"{settings.elt_lease_wait_seconds:g}",
        "DBT_DEVELOPER": settings.dbt_developer,
        "DBT_MEMORY_MB": str(settings.dbt_memory_mb),
    }
    if target in ("snowflake", "ci"):
        found |= settings.snowflake_variables
    if target == "snowflake":
        found |= _snowflake_login(settings)
    if target == "ci":
        found |= {
            "SNOWFLAKE_EMULATOR_HOST": settings.snowflake_emulator_host,
            "SNOWFLAKE_EMULATOR_PORT": str(settings.snowflake_emulator_port),
            "SNOWFLAKE_EMULATOR_PROTOCOL": settings.snowflake_emulator_protocol,
        }
    return found


def _snowflake_login(settings: Settings) -> dict[str, str]:
    key = settings.snowflake_private_key.get_secret_value()
    if not settings.snowflake_account:
        raise EltError(
            "SNOWFLAKE_ACCOUNT is not set", "set it in .env or the environment for the dbt target snowflake"
        )
    if not key and not settings.snowflake_private_key_path:
        raise EltError(
            "neither SNOWFLAKE_PRIVATE_KEY nor SNOWFLAKE_PRIVATE_KEY_PATH is set",
            "set one of them in .env or the environment for the dbt target snowflake",
        )
    return {
        "SNOWFLAKE_ACCOUNT": settings.snowflake_account,
        "SNOWFLAKE_PRIVATE_KEY": key,
        "SNOWFLAKE_PRIVATE_KEY_PATH": settings.snowflake_private_key_path,
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": settings.snowflake_private_key_passphrase.get_secret_value(),
    }


def environment(
    settings: Settings,
    target: str | None = None,
    *,
    project: Path | None = None,
    artifacts: Path | None = None,
) -> dict[str, str]:
    """What any dbt process of this stack finds in its environment: project, profile, target, no telemetry.

    Artifacts and logs go under `ELT_HOME`, so that two stacks of one clone do not share them. The warehouse is found
    by `transformation.dbt_lease`: a path of its own in the profile would make dbt parse the project for each `ELT_HOME`.
    Raises as `variables` does.
    """
    target = target or settings.dbt_target
    return {
        **variables(settings, target),
        **QUIET,
        "DBT_PROJECT_DIR": str(project or PROJECT),
        "DBT_PROFILES_DIR": str(project or PROJECT),
        "DBT_PROFILE": "adventureworks",  # given, as Airflow gives it: dbt then takes its parsed project for both
        "DBT_TARGET": target,
        "DBT_TARGET_PATH": str(artifacts or target_path(settings, target)),
        "DBT_LOG_PATH": str(settings.logs_dir / "dbt"),
    }


@contextmanager
def _in_environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ---------------------------------------------------------------------------------------------------- the two ways


def invoke(
    settings: Settings,
    *words: str,
    target: str | None = None,
    manifest: Manifest | None = None,
    artifacts: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> dbtRunnerResult:
    """dbt in this process, by this manifest if there is one; `extra` are further variables. Raises DbtError when it could not run."""
    values = environment(settings, target, artifacts=artifacts) | dict(extra or {})
    from dbt.cli.main import dbtRunner  # two seconds of imports that a usage error need not pay

    with _in_environment(values):
        result = dbtRunner(manifest=manifest).invoke(list(words))
    if isinstance(result.exception, KeyboardInterrupt):
        raise result.exception
    if result.exception:
        verb = next(word for word in words if not word.startswith("-"))
        raise DbtError(
            f"dbt {verb} could not run: {reason_of(result.exception)}",
            f"see {settings.logs_dir / 'dbt' / 'dbt.log'}",
        )
    return result


def apart(
    settings: Settings,
    *words: str,
    target: str | None = None,
    project: Path | None = None,
    artifacts: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """dbt in a process of its own, whose variables DBT_… are none of the caller's; its exit code and what it printed."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *words],
        env=mine | environment(settings, target, project=project, artifacts=artifacts),
        cwd=settings.home,
        capture_output=True,
        text=True,
        check=False,
    )


def watched(
    settings: Settings,
    words: Sequence[str],
    values: Mapping[str, str],
    folder: Path,
    hear: Callable[[EventMsg], None],
) -> dbtRunnerResult:
    """dbt in this process, in a folder and with further variables; `hear` is called with each of its events, from each of its threads."""
    from dbt.adapters.factory import reset_adapters
    from dbt.cli.main import dbtRunner

    runner = dbtRunner(kept_manifest(settings), [hear])
    try:
        with chdir(folder), _in_environment(values):
            return runner.invoke(list(words))
    finally:
        reset_adapters()  # else Python warns of semaphores when the process ends


def reason_of(error: BaseException) -> str:
    """The reason in an exception of dbt's, on one line."""
    return _plain(str(error).splitlines() or [type(error).__name__])


def reason_in(output: str) -> str:
    """The reason in what a dbt process printed, on one line."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d\s+", "", line) for line in output.splitlines()]
    marks = [number for number, line in enumerate(lines) if "Encountered an error" in line]
    failed = [line.strip() for line in lines if re.search(r"\bERROR\b", line) and "TOTAL=" not in line]
    return _plain(lines[marks[0] + 1 :] if marks else failed[:1] or lines[-5:])


def plain(message: str) -> str:
    """A message about one node on one line, without the heading that names the node."""
    lines = [line for line in message.splitlines() if line.strip()]
    return _plain(lines[1:] if len(lines) > 1 and re.match(r"\w+ Error in ", lines[0]) else lines)


def _plain(lines: list[str]) -> str:
    """Lines as one, without a heading that says nothing and the excerpt of SQL that a database shows."""
    kept = [
        line.strip()
        for line in lines
        if line.strip() and not re.match(r"\s*(compiled code at|LINE \d+:|\^)", line)
    ]
    if len(kept) > 1 and re.fullmatch(r"\w+ Error", kept[0]):
        kept = kept[1:]
    text = " ".join(kept)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"


# ---------------------------------------------------------------------------------------------------- what is run


def parse(settings: Settings, target: str | None = None) -> Manifest:
    """Parse the project in this process, and note of which files the manifest is that dbt writes. Raises DbtError."""
    digest = project_digest(
        settings, target
    )  # before anything else, so that what is built is what is known of
    manifest = invoke(settings, "--quiet", "parse", target=target).result
    note_manifest(settings, digest, target)
    return manifest


def parsed(settings: Settings, target: str | None = None) -> Manifest:
    """The project as the last parse has left it, where nothing has changed since; else parsed now. Raises DbtError.

    dbt itself would read all files, and write its artifacts again: seconds of each build.
    """
    return kept_manifest(settings, target) or parse(settings, target)


def kept_manifest(settings: Settings, target: str | None = None) -> Manifest | None:
    """What dbt has kept of its last parse; None when the project's digest is another since, or it can't be read.

    Of another target than `duckdb` the names of schemas and databases depend on further settings: None.
    """
    if (target or settings.dbt_target) != "duckdb" or not is_manifest_of(
        settings, project_digest(settings, target), target
    ):
        return None
    from dbt.contracts.graph.manifest import Manifest

    try:
        kept = Manifest.from_msgpack((target_path(settings, target) / KEPT).read_bytes())
    except Exception:  # noqa: BLE001 - whatever the library raises for a file that was cut off
        return None
    kept.build_parent_and_child_maps()  # as dbt does it with what it has kept
    kept.build_flat_graph()
    return kept


def write_manifest(settings: Settings) -> bool:
    """Have dbt write its manifest, if the project has changed since it last did; True if so.

    In a process of its own: the caller goes on to other things. Raises DbtError when the project does not parse.
    """
    digest = project_digest(settings)
    if is_manifest_of(settings, digest):
        return False
    target_path(settings).mkdir(parents=True, exist_ok=True)
    done = apart(settings, "--quiet", "parse")
    if done.returncode != 0:
        raise DbtError(
            f"dbt can't parse {PROJECT}: {reason_in(done.stdout + done.stderr)}",
            "mend the model or its YAML",
        )
    note_manifest(settings, digest)
    return True


def models_of(settings: Settings, selection: str) -> list[str]:
    """Names of the models that a selection (dbt's selector syntax) means. Raises DbtError when it can't be read."""
    listing = ("--quiet", "--no-write-json", "ls", "--resource-type", "model", "--output", "name")
    return sorted(invoke(settings, *listing, "--select", selection).result)


def write_docs(settings: Settings, folder: Path) -> Path:
    """Generate the documentation as one page in a folder; the page. Raises DbtError with dbt's reason."""
    result = invoke(settings, "--quiet", "docs", "generate", "--static", artifacts=folder)
    if not result.success:
        raise DbtError("dbt docs generate failed", f"see {settings.logs_dir / 'dbt' / 'dbt.log'}")
    return folder / "static_index.html"
