"""Running dbt: the environment that each of its processes finds."""

from __future__ import annotations

from foundation.settings import Settings
from transformation.project import PROJECT, target_path


def environment(configuration: Settings, target: str | None = None) -> dict[str, str]:
    """What any dbt process of this stack finds in its environment: project, profile, target, no telemetry.

    Artefacts and logs go under `ELT_HOME`, so that two stacks of one clone do not share them. The warehouse is found
    by `transformation.dbt_lease`: a path of its own in the profile would make dbt parse the project anew for each `ELT_HOME`.
    """
    target = target or configuration.dbt_target
    return {
        **(configuration.snowflake_variables if target == "snowflake" else {}),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET": target,
        "ELT_SOURCES": ",".join(configuration.sources),  # whose models there are
        "DBT_TARGET_PATH": str(target_path(configuration, target)),
        "DBT_LOG_PATH": str(configuration.logs_dir / "dbt"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
