"""Airflow on one machine: the environment of its processes, and its database.

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
from urllib.parse import quote

from foundation.errors import EltError
from foundation.limits.instance import instance
from foundation.private import private
from foundation.settings import ROOT, Settings
from foundation.settings import settings as this_process
from stack import SMTP_USER
from stack.prepared import mark, metadata_row
from transformation.run import QUIET, variables, write_manifest

ORCHESTRATION = ROOT / "data-orchestration"
POOL = "warehouse"
OPERATOR = "Operator"
# What an operator may besides looking: trigger and clear. Airflow's own role Op also writes connections, variables and pools,
# which hold and lead to secrets. (Airflow asks for "edit" on a DAG for each; that pauses one, too.)
OPERATOR_MAY = [
    ("can_edit", "DAGs"),
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_edit", "Task Instances"),
]

# What the supervisor runs, in the foreground, with `environment()`. No triggerer: nothing here defers.
PROGRAMS: dict[str, list[str]] = {
    "airflow-api-server": [sys.executable, "-m", "airflow", "api-server"],
    # task logs are read from disk by the API server; the log server would listen on every interface
    "airflow-scheduler": [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"],
    "airflow-dag-processor": [sys.executable, "-m", "airflow", "dag-processor"],
}
# What a deployment of more than one machine or container runs besides
DEPLOYED: dict[str, list[str]] = {
    "airflow-triggerer": [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
    "airflow-worker": [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"],
}


def environment(settings: Settings) -> dict[str, str]:
    """All variables of Airflow's processes, to be laid over the present environment. Holds secrets: never print it."""
    home = settings.home / "airflow"
    password = quote(settings.metadata_password.get_secret_value(), safe="")
    metadata = f"airflow:{password}@{settings.metadata_host}:{settings.metadata_port}/airflow"
    jwt_secret = settings.airflow_jwt_secret.get_secret_value()
    bundles = [
        {
            "name": "adventureworks",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(ORCHESTRATION / "dags"), "refresh_interval": 10},
        }
    ]
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": ORCHESTRATION / "dags",
            "plugins_folder": ORCHESTRATION / "plugins",
            "executor": settings.airflow_executor,
            "auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "fernet_key": settings.airflow_fernet_key.get_secret_value(),
            "execution_api_server_url": f"{settings.airflow_base}/execution/",
            "parallelism": 12,
            "max_active_tasks_per_dag": 12,
            "load_examples": False,
            # nothing runs before the source is filled and the connection applied: `elt demo` and `elt run` unpause
            "dags_are_paused_at_creation": True,
        },
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://{metadata}",
        },
        "api": {
            "host": settings.listen_host,
            "port": settings.airflow_port,
            "base_url": settings.airflow_public,
            "workers": 1,
            "secret_key": hmac.new(jwt_secret.encode(), b"api secret key", hashlib.sha256).hexdigest(),
            "expose_config": False,
            "enable_swagger_ui": False,  # its page loads scripts from elsewhere
        },
        "api_auth": {"jwt_secret": jwt_secret, "jwt_issuer": "adventureworks-elt"},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            "refresh_interval": 10,
            "min_file_process_interval": 60,  # a file that changed is read at once all the same
            "parsing_processes": 1,
        },
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "scheduler_heartbeat_sec": 5,
            # a dead worker or scheduler is noticed within a minute (the defaults are five)
            "task_instance_heartbeat_timeout": 60,
            "task_instance_heartbeat_timeout_detection_interval": 10,
            "orphaned_tasks_check_interval": 60,
        },
        "logging": {
            "base_log_folder": settings.logs_dir / "airflow",
            "dag_processor_child_process_log_directory": settings.logs_dir / "airflow" / "dag_processor",
            "colored_console_log": False,
        },
        "fab": {"config_file": home / "webserver_config.py"},
        "usage_data_collection": {"enabled": False},
        "openlineage": {
            "namespace": "adventureworks",
            "transport": json.dumps(_lineage(settings)),
            # they only watch; each would cost two more processes
            "disabled_for_operators": "orchestration.cosmos_tasks.DbtNodesSensor",
        },
        "metrics": {"otel_on": bool(settings.otel_exporter_otlp_endpoint)},
        "cosmos": {
            "enable_telemetry": False,
            # imports on demand: each task process is spared the operators of other clouds
            "enable_memory_optimised_imports": True,
            # the producer is never retried, so nothing is kept for a retry after each of dbt's events
            "enable_watcher_reliable_retry": False,
            "enable_dag_versioning": False,
            "cache_dir": settings.home / "dbt" / "cosmos",
            "dbt_docs_projects": json.dumps(
                {"adventureworks": {"dir": settings.dbt_docs_uri or str(settings.home / "docs")}}
            ),
        },
    }
    connections = {
        "airbyte_default": {
            "conn_type": "airbyte",
            "host": settings.airbyte_api,
            "login": settings.airbyte_client_id,
            "password": settings.airbyte_client_secret.get_secret_value(),
            "schema": f"{settings.airbyte_api}/applications/token",
            "extra": {"timeout": 30},
        },
        # without TLS, as the recorder speaks none: it is on this machine, or in the same containers' network
        "smtp_default": {
            "conn_type": "smtp",
            "host": settings.sink_host,
            "port": settings.sink_smtp_port,
            "login": SMTP_USER,
            "password": settings.slack_webhook_token.get_secret_value(),
            "extra": {
                "from_email": settings.alert_email_from,
                "disable_ssl": True,
                "disable_tls": True,
                "timeout": 5,
                "retry_limit": 0,
            },
        },
        "slack_default": {
            "conn_type": "slackwebhook",
            "host": settings.slack_webhook_host,
            "password": settings.slack_webhook_token.get_secret_value(),
        },
    }
    if settings.airflow_executor == "CeleryExecutor":
        broker = quote(settings.broker_password.get_secret_value(), safe="")
        sections["celery"] = {
            "broker_url": f"redis://:{broker}@{settings.broker_host}:6379/0",
            "result_backend": f"db+postgresql://{metadata}",
            "worker_concurrency": 8,
        }
    if settings.otel_exporter_otlp_endpoint:
        metrics = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otel_exporter_otlp_endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_SERVICE_NAME": "airflow",
        }
    else:
        metrics = {}
    return {
        "AIRFLOW_HOME": str(home),
        **variables(settings),  # of dbt, which the tasks run
        **QUIET,
        "ELT_INSTANCE": instance(settings.home, "airflow-api-server"),
        "ELT_SCHEDULE": settings.elt_schedule,
        # airflow_local_settings.py
        "PYTHONPATH": os.pathsep.join(
            [str(ORCHESTRATION / "config"), os.environ.get("PYTHONPATH", "")]
        ).strip(":"),
        # arenas per thread would double the memory of processes that fork; macOS forks only with the second one set
        "MALLOC_ARENA_MAX": "2",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
        "SCARF_ANALYTICS": "false",
        "SCARF_NO_ANALYTICS": "true",
        "DBT_USE_COLORS": "false",
        **metrics,
        **{
            f"AIRFLOW__{section.upper()}__{option.upper()}": str(value)
            for section, options in sections.items()
            for option, value in options.items()
        },
        # a connection that the deployment gives (Slack's webhook, a mail server) is the one that counts
        **{
            variable: settings.variable(variable) or json.dumps(fields)
            for variable, fields in (
                (f"AIRFLOW_CONN_{name.upper()}", fields) for name, fields in connections.items()
            )
        },
    }


def _lineage(settings: Settings) -> dict[str, object]:
    """Where OpenLineage events go."""
    if settings.openlineage_url:
        return {"type": "http", "url": settings.openlineage_url, "timeout": 5}
    return {"type": "file", "log_file_path": str(settings.logs_dir / "openlineage.jsonl"), "append": True}


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
    return [
        (settings.airflow_admin_user, "Admin", settings.airflow_admin_password.get_secret_value()),
        ("operator", OPERATOR, settings.airflow_operator_password.get_secret_value()),
        ("viewer", "Viewer", settings.airflow_viewer_password.get_secret_value()),
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
    main(sys.argv[1:])
