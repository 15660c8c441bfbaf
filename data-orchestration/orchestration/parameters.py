"""The parameters of a run that somebody triggers: the form, its checks, and how dbt gets them."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from foundation.errors import EltError
from foundation.settings import Settings
from transformation.project import incremental_models, model_names, read_manifest
from transformation.request import VARIABLE, BuildRequest
from transformation.run import DbtError, models_of

log = logging.getLogger(__name__)

SELECTION = r"^(?!-)[\w.:+*@,/ -]+$"  # dbt's selector syntax; never an option

# How the task that runs dbt gets the request that `prepare` made; Jinja, rendered for each run.
SELECT, REQUEST = "select", "request"  # XComs of `prepare`
_SELECTED = f"ti.xcom_pull(task_ids='prepare', key='{SELECT}')"
FLAGS = [f"{{{{ '--select' if {_SELECTED} else '' }}}}", f"{{{{ {_SELECTED} or '' }}}}"]
ENVIRONMENT = {VARIABLE: f"{{{{ ti.xcom_pull(task_ids='prepare', key='{REQUEST}') or '' }}}}"}


def form(settings: Settings) -> dict[str, Param]:
    """The trigger form. Airflow refuses values of another type, days that are none, and models that are not there.

    What may stay empty is null: the form demands a value of anything else.
    """
    manifest = read_manifest(settings)
    every, incremental = model_names(manifest), incremental_models(manifest)
    return {
        "models": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": every},
            uniqueItems=True,
            examples=every,
            title="Only these models",
            description="Empty: all whose inputs have changed.",
        ),
        "select": Param(
            None,
            type=["null", "string"],
            pattern=SELECTION,
            maxLength=500,
            title="Only this selection",
            description="The same in dbt's selector syntax, as `fct_sales+` (with all that builds on it).",
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
            title="Full refresh",
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


def plan(settings: Settings, params: dict[str, Any]) -> list[str]:
    """The models that the run will build, checked and logged. Raises AirflowFailException with what is wrong."""
    request = BuildRequest.of_form(params)
    try:
        request.check()
        models = _selected(settings, " ".join(request.select))
        request.check_models(models)
    except EltError as error:
        raise AirflowFailException(str(error)) from None
    if not request.beyond_changes:
        log.info("of these, what has changed since the last complete build; `prepare` will say:")
    log.info("%s models: %s", len(models), ", ".join(models))
    if request.full_refresh:
        log.info("full refresh: %s", ", ".join(request.full_refresh))
    if request.rebuild_from:
        last = request.rebuild_to or request.rebuild_from
        log.info("facts of %s to %s are built again", request.rebuild_from, last)
    return models


def _selected(settings: Settings, selection: str) -> list[str]:
    """Names of the models that a selection means; all for an empty one. Raises EltError when it means none."""
    if not selection:
        return model_names(read_manifest(settings))
    try:
        models = models_of(settings, selection)
    except DbtError as error:
        raise EltError(f"select: {error.message}", error.remedy) from None
    if not models:
        raise EltError(f"select: no model matches `{selection}`", "correct it")
    return models
