"""Airflow on one machine: its processes and its database.

Everything that Airflow reads is set here, through its environment; there is no airflow.cfg to drift. In production the
same variables come from the deployment, and the same DAGs run unchanged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from importlib.metadata import version

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import AIRFLOW_USERS, Settings
from foundation.settings import settings as this_process
from stack.airflow_environment import environment
from stack.prepared import mark, metadata_row
from transformation.run import write_manifest

POOL = "warehouse"
OPERATOR = "Operator"
# What an operator may besides looking: trigger and clear. Airflow's own role Op also writes connections, variables and pools,
# which hold and lead to secrets. (Airflow asks for "edit" for each, which would mark and pause, too: the plugin guard.py forbids that.)
OPERATOR_MAY = [
    ("can_edit", "DAGs"),
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_edit", "Task Instances"),
]

# What the supervisor runs, in the foreground, with `environment()`
PROGRAMS: dict[str, list[str]] = {
    "airflow-api-server": [sys.executable, "-m", "stack.airflow_api_server", "api-server"],
    # task logs are read from disk by the API server; the log server would listen on every interface
    "airflow-scheduler": [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"],
    "airflow-dag-processor": [sys.executable, "-m", "airflow", "dag-processor"],
    # the tasks that watch dbt are its
    "airflow-triggerer": [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
}
# What a deployment of more than one machine or container runs besides
DEPLOYED: dict[str, list[str]] = {
    "airflow-worker": [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"],
}


def prepare(settings: Settings) -> bool:
    """Write dbt's manifest and bring Airflow's database to this version, with its users and the warehouse's pool.

    True if there was work. Idempotent; when project and database are as the last call left them it costs milliseconds.
    Raises EltError when the dbt project does not parse, the metadata PostgreSQL can't be reached or Airflow can't
    migrate it.
    """
    home = settings.home / "airflow"
    for folder in (home, settings.logs_dir / "airflow"):
        folder.mkdir(parents=True, exist_ok=True)
    marker = home / "prepared"
    if marker.exists() and marker.read_text() == _fingerprint(settings):
        return write_manifest(settings)
    log = settings.logs_dir / "airflow" / "migrate.log"
    with log.open("w") as output:
        migration = subprocess.Popen(
            [sys.executable, "-m", "stack.airflow", "migrate"],
            env=os.environ | environment(settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            write_manifest(settings)
            code = migration.wait()
        finally:
            if migration.poll() is None:
                migration.terminate()
                migration.wait()
    if code != 0:
        raise EltError("Airflow could not prepare its database", f"the reason is at the end of {log}")
    mark(marker, _fingerprint(settings))
    return True


def _fingerprint(settings: Settings) -> str:
    """What a prepared database looks like: versions installed, migrations applied, users, pool."""
    found = metadata_row(
        settings,
        "airflow",
        settings.metadata_password,
        """
        select (select string_agg(version_num, ',') from alembic_version),
               (select string_agg(version_num, ',') from alembic_version_fab),
               (select string_agg(username || password, ',' order by username) from ab_user),
               (select slots from slot_pool where pool = %s),
               (select system_identifier from pg_control_system())
        """,
        [POOL],
    )
    # a changed password has to reach the database; it is stored nowhere but as this digest
    wanted = hmac.new(
        settings.airflow_jwt_secret.get_secret_value().encode(),
        json.dumps(_users(settings)).encode(),
        hashlib.sha256,
    ).hexdigest()
    packages = [version(name) for name in ("apache-airflow", "apache-airflow-providers-fab")]
    return hashlib.sha256(json.dumps([packages, wanted, found], default=str).encode()).hexdigest()


def migrate(settings: Settings) -> None:
    """Create or migrate the tables, the users and the pool. Runs in a process with `environment()`.

    One process for what would be three of Airflow's commands, each with its seconds of start-up; and the password stays
    off the command line.
    """
    from airflow.models.pool import Pool
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.db import initdb

    initdb()
    Pool.create_or_update_pool(
        POOL, slots=1, description="One writer of the warehouse at a time.", include_deferred=False
    )
    with get_application_builder() as builder:
        security = builder.sm
        may = [*security.VIEWER_PERMISSIONS, *OPERATOR_MAY]
        security.bulk_sync_roles([{"role": OPERATOR, "perms": may}])
        for name, role, password in _users(settings):
            user = security.find_user(username=name)
            if user is not None:
                user.roles = [security.find_role(role)]
                security.update_user(user)
                security.reset_password(user.id, password)
            elif not security.add_user(
                name, name, "", f"{name}@localhost", security.find_role(role), password
            ):
                raise EltError(f"Airflow did not create the user {name}", "see the lines above")


def _users(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, role of Airflow's and password of each user."""
    operator, viewer = AIRFLOW_USERS
    return [
        (settings.airflow_admin_user, "Admin", settings.airflow_admin_password.get_secret_value()),
        (operator, OPERATOR, settings.airflow_operator_password.get_secret_value()),
        (viewer, "Viewer", settings.airflow_viewer_password.get_secret_value()),
    ]


def main(arguments: list[str]) -> None:
    """`python -m stack.airflow PROGRAM`: become that program, with Airflow's environment (which no file then has to hold).

    `prepare` makes its database ready instead, as `elt up airflow` does.
    """
    (name,) = arguments
    private()
    config = this_process()
    if name == "migrate":
        migrate(config)
        return
    if name == "prepare":
        prepare(config)
        return
    command = (PROGRAMS | DEPLOYED)[name]
    os.execve(command[0], command, os.environ | environment(config))


if __name__ == "__main__":
    with one_line("airflow"):
        main(sys.argv[1:])
