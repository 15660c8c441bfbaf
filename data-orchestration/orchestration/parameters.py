"""What somebody who triggers a run can ask for: the form, its checks, and how dbt is told."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from foundation.settings import Settings
from transformation.project import read_manifest
from transformation.run import DbtError, models_of

log = logging.getLogger(__name__)

SELECTION = r"^(?!-)[\w.:+*@,/ -]+$"  # dbt's selector syntax; never an option
EVERYTHING = ("everything", "full_refresh", "rebuild_from")  # what needs models whose inputs have not changed


def from_prepare(name: str) -> str:
    """A variable for dbt's hooks as the task `prepare` gave it; Jinja."""
    return f"{{{{ (ti.xcom_pull(task_ids='prepare', key='environment') or {{}}).get('{name}', '') }}}}"


# How the task that runs dbt is told; Jinja, rendered for each run.
SELECTION_OF_RUN = "(params.select or ti.xcom_pull(task_ids='prepare', key='select'))"
FLAGS = [f"{{{{ '--select' if {SELECTION_OF_RUN} else '' }}}}", f"{{{{ {SELECTION_OF_RUN} or '' }}}}"]
ENVIRONMENT = {
    "ELT_BUILDING_FROM": from_prepare("ELT_BUILDING_FROM"),
    "ELT_BUILT_FROM": from_prepare("ELT_BUILT_FROM"),
    "ELT_CHANGES": from_prepare("ELT_CHANGES"),
    "ELT_FULL_REFRESH": "{{ (params.full_refresh or []) | join(',') }}",
    "ELT_REBUILD_FROM": "{{ params.rebuild_from or '' }}",
    "ELT_REBUILD_TO": "{{ params.rebuild_to or '' }}",
}


def form(settings: Settings) -> dict[str, Param]:
    """The trigger form. Airflow refuses values of another type, days that are none, and models that are not there.

    What may stay empty is null: the form demands a value of anything else.
    """
    incremental = incremental_models(settings)
    return {
        "select": Param(
            None,
            type=["null", "string"],
            pattern=SELECTION,
            maxLength=500,
            title="Only these models",
            description="In dbt's selector syntax, as `fct_sales+`; empty: all whose inputs have changed.",
        ),
        "everything": Param(
            False,
            type="boolean",
            title="Build everything",
            description="Also models whose inputs have not changed since the last complete build.",
        ),
        "full_refresh": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": incremental},
            uniqueItems=True,
            examples=incremental,
            title="Build anew",
            description="Incremental models that are built from all rows instead of the changed ones.",
        ),
        "rebuild_from": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Rebuild from",
            description="First day whose facts are built again.",
        ),
        "rebuild_to": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Rebuild to",
            description="Last day; empty: the first one alone.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Check the parameters and log what would be built; sync, build and publish nothing.",
        ),
    }


def incremental_models(settings: Settings) -> list[str]:
    """Names of the models that a build only brings up to date."""
    return sorted(
        node["name"]
        for node in read_manifest(settings)["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    )


def plan(settings: Settings, params: dict[str, Any]) -> list[str]:
    """The models that the run will build, checked and logged. Raises AirflowFailException with what is wrong."""
    first, last = params["rebuild_from"], params["rebuild_to"]
    if last and not first:
        raise AirflowFailException(
            f"rebuild_to is {last}, but rebuild_from is empty: give the first day, too"
        )
    if last and last < first:
        raise AirflowFailException(f"rebuild_to ({last}) is before rebuild_from ({first}): exchange them")
    if params["everything"] and params["select"]:
        raise AirflowFailException(
            f"everything is to be built, but select is `{params['select']}`: leave one of them out"
        )
    models = _selected(settings, params["select"])
    anew = params["full_refresh"] or []
    if missing := sorted(set(anew) - set(models)):
        raise AirflowFailException(
            f"full_refresh names {', '.join(missing)}, which `{params['select']}` does not select: widen the selection"
        )
    if not params["select"] and not any(params[name] for name in EVERYTHING):
        log.info("of these, what has changed since the last complete build; `prepare` will say:")
    log.info("%s models: %s", len(models), ", ".join(models))
    if anew:
        log.info("built anew: %s", ", ".join(anew))
    if first:
        log.info("facts of %s to %s are built again", first, last or first)
    return models


def _selected(settings: Settings, selection: str | None) -> list[str]:
    """Names of the models that a selection means; all for an empty one."""
    if not selection:
        nodes = read_manifest(settings)["nodes"].values()
        return sorted(node["name"] for node in nodes if node["resource_type"] == "model")
    try:
        models = models_of(settings, selection)
    except DbtError as error:
        raise AirflowFailException(f"select: {error.message}") from None
    if not models:
        raise AirflowFailException(f"select: no model matches `{selection}`")
    return models
