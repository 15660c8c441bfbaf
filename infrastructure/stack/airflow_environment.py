"""Make the environment variables that configure Airflow's processes. No airflow.cfg exists beyond them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from urllib.parse import quote

from foundation.limits.instance import instance
from foundation.settings import ROOT, Settings
from stack import SMTP_USER
from transformation.run import QUIET, variables

ORCHESTRATION = ROOT / "data-orchestration"
Section = dict[str, object]
# ours for Airflow's, by the name of the setting
EXECUTORS = {"LocalExecutor": "stack.local_executor.OnDemandExecutor"}


def environment(settings: Settings) -> dict[str, str]:
    """All variables of Airflow's processes, to be laid over the present environment. Holds secrets: never print it."""
    return {
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "ELT_INSTANCE": instance(settings.home, "airflow-api-server"),
        **variables(settings),  # of dbt, which the tasks run
        **QUIET,
        "ELT_SCHEDULE": settings.elt_schedule,
        **_process(),
        **_metrics(settings),
        **{
            f"AIRFLOW__{section.upper()}__{option.upper()}": str(value)
            for section, options in _sections(settings).items()
            for option, value in options.items()
        },
        # a connection that the deployment gives (Slack's webhook, a mail server) is the one that counts
        **{
            variable: settings.variable(variable) or json.dumps(fields)
            for variable, fields in (
                (f"AIRFLOW_CONN_{name.upper()}", fields) for name, fields in _connections(settings).items()
            )
        },
    }


def _process() -> dict[str, str]:
    """What concerns Python and the system."""
    return {
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
    }


def _metrics(settings: Settings) -> dict[str, str]:
    if not settings.otel_exporter_otlp_endpoint:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otel_exporter_otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "airflow",
    }


def _metadata(settings: Settings) -> str:
    """Airflow's database, without the scheme of its address."""
    password = quote(settings.metadata_password.get_secret_value(), safe="")
    return f"airflow:{password}@{settings.metadata_host}:{settings.metadata_port}/airflow"


def _sections(settings: Settings) -> dict[str, Section]:
    """The options that Airflow calls its configuration, by section."""
    home = settings.home / "airflow"
    jwt_secret = settings.airflow_jwt_secret.get_secret_value()
    bundles = [
        {
            "name": "adventureworks",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(ORCHESTRATION / "dags"), "refresh_interval": 10},
        }
    ]
    return {
        "core": {
            "dags_folder": ORCHESTRATION / "dags",
            "plugins_folder": ORCHESTRATION / "plugins",
            "executor": EXECUTORS.get(settings.airflow_executor, settings.airflow_executor),
            "auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "fernet_key": settings.airflow_fernet_key.get_secret_value(),
            "execution_api_server_url": f"{settings.airflow_base}/execution/",
            # tasks at a time; a run needs two or three
            "parallelism": 6 if settings.airflow_executor == "LocalExecutor" else 12,
            "max_active_tasks_per_dag": 12,
            "load_examples": False,
            # nothing runs before the source is filled and the connection applied: `elt demo` and `elt run` unpause
            "dags_are_paused_at_creation": True,
        },
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://{_metadata(settings)}",
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
            "min_file_process_interval": 180,  # a file that changed is read at once all the same
            "parsing_processes": 1,
        },
        "scheduler": {
            # our executor's `sync` waits longer, until a task ends
            "scheduler_idle_sleep_time": 0.05 if settings.airflow_executor == "LocalExecutor" else 0.5,
            "scheduler_heartbeat_sec": 5,
            # a dead worker or scheduler is noticed within a minute (the defaults are five)
            "task_instance_heartbeat_timeout": 60,
            "task_instance_heartbeat_timeout_detection_interval": 10,
            "orphaned_tasks_check_interval": 60,
        },
        "triggerer": {
            # what a triggerer that was killed had in hand waits this long for the next one (the default is 30)
            "triggerer_health_check_threshold": 15,
            "job_heartbeat_sec": 3,
        },
        "logging": {
            "base_log_folder": settings.logs_dir / "airflow",
            "dag_processor_child_process_log_directory": settings.logs_dir / "airflow" / "dag_processor",
            "colored_console_log": False,
            # a task's log begins with what the task does; of Airflow's own loggers (of others: airflow_local_settings.py)
            "namespace_levels": "airflow.dag_processing=WARNING airflow.providers.openlineage=WARNING",
        },
        "fab": {"config_file": home / "webserver_config.py"},
        "usage_data_collection": {"enabled": False},
        "openlineage": {
            "namespace": "adventureworks",
            "transport": json.dumps(_lineage(settings)),
            # dbt's own task tells of what it builds
            "emission_policy": json.dumps(
                [
                    {
                        "scope": {"operator": "orchestration.cosmos_tasks.DbtNodesSensor"},
                        "controls": {"emit": False},
                    }
                ]
            ),
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
        **_celery(settings),
    }


def _celery(settings: Settings) -> dict[str, Section]:
    """The section of workers, where there are any."""
    if settings.airflow_executor != "CeleryExecutor":
        return {}
    broker = quote(settings.broker_password.get_secret_value(), safe="")
    return {
        "celery": {
            "broker_url": f"redis://:{broker}@{settings.broker_host}:6379/0",
            "result_backend": f"db+postgresql://{_metadata(settings)}",
            "worker_concurrency": 8,
        }
    }


def _lineage(settings: Settings) -> dict[str, object]:
    """Where OpenLineage events go."""
    if settings.openlineage_url:
        return {"type": "http", "url": settings.openlineage_url, "timeout": 5}
    return {"type": "file", "log_file_path": str(settings.logs_dir / "openlineage.jsonl"), "append": True}


def _connections(settings: Settings) -> dict[str, dict[str, object]]:
    """Airflow's connections on one machine: Airbyte, and the recorder of messages as Slack and as mail server."""
    return {
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
