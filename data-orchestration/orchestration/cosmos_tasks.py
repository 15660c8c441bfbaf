"""dbt in Airflow, through Cosmos: one `dbt build`, watched by a task for each layer and each mart.

DuckDB takes one writing process, and a dbt process takes seconds to start, so one task (the producer) builds everything in
dbt's own order and tells the others, by XCom, how each model and test ended (Cosmos' watcher mode). Staging and
intermediate are one task each, because nobody looks for a single one of their models; every mart is a task of its own, and
fails with its tests. A watching task has no process: see `orchestration.triggers`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import StartTriggerArgs
from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import (
    DBT_MANIFEST_FILE_NAME,
    DBT_PARTIAL_PARSE_FILE_NAME,
    DbtResourceType,
    ExecutionMode,
    LoadMode,
)
from cosmos.dbt.graph import DbtNode
from cosmos.dbt.project import get_partial_parse_path
from cosmos.fs import safe_copy
from cosmos.operators._watcher.state import is_dbt_node_status_success
from cosmos.operators.local import DbtBuildLocalOperator

from foundation.lease import RESERVED_SECONDS, RUN_VARIABLE
from foundation.settings import Settings
from foundation.settings import settings as current_settings
from orchestration import parameters
from orchestration.names import ENDED_NODES, PRODUCER
from orchestration.publish import build_environment, renew
from orchestration.steps import has_nothing_to_build, lease_name
from transformation.project import PROJECT, manifest_path, project_digest, read_manifest, target_path
from transformation.request import BuildRequest
from transformation.results import artifacts_path, keep, results_path
from transformation.run import watched

if TYPE_CHECKING:
    from airflow.sdk import Context

NAME = "adventureworks"
GROUP = "dbt"
LAYERS = ("staging", "intermediate")
BUILT = (DbtResourceType.MODEL, DbtResourceType.SEED, DbtResourceType.SNAPSHOT)

# tests of what is selected, but not of other facts that point to the same dimension
SELECTED = {"DBT_INDIRECT_SELECTION": "buildable"}

log = logging.getLogger(__name__)


class Results:
    """Passes dbt's progress to the watching tasks: which models have ended with their tests, in one XCom.

    Cosmos' own reporter sends some five for every model and test, and makes JSON of each of dbt's events, thousands: a run spent more time
    on those than on the build. `error`: the first that Airflow could not be told; dbt would take an error here for one of its node.
    """

    def __init__(self, watched: Iterable[str], tests: Mapping[str, list[str]]) -> None:
        self._pending = {node: {node, *tests.get(node, [])} for node in watched}
        self._owners: dict[str, list[str]] = defaultdict(list)
        for node, pending in self._pending.items():
            for name in pending:
                self._owners[name].append(node)
        self._problems: dict[str, list[str]] = defaultdict(list)
        self._ended: dict[str, list[str] | None] = {}
        self._lock = Lock()  # dbt reports from each of its threads
        self.error: Exception | None = None

    def heard(self, ti: Any, event: Any) -> None:
        """Log one of dbt's events (an EventMsg), and tell about the models that have ended with it."""
        if event.info.msg and event.info.level != "debug":
            log.log(logging.getLevelName(event.info.level.upper()), "%s", event.info.msg)
        if event.info.name == "NodeFinished":
            node, message = event.data.node_info, event.data.run_result.message
            with self._lock:
                if complete := self.ended(node.unique_id, node.node_status, message):
                    self._ended |= complete
                    try:
                        ti.xcom_push(ENDED_NODES, self._ended)
                    except Exception as error:  # noqa: BLE001 - whatever Airflow raises
                        self.error = self.error or error

    def succeeded(self, ti: Any) -> None:
        """dbt has built all that it was to build: what has not ended was no part of it."""
        ti.xcom_push(ENDED_NODES, dict.fromkeys(self._pending) | self._ended)

    def ended(self, unique_id: str, status: str, message: str) -> dict[str, list[str]]:
        """A model or test has ended: the models that are complete now, each with its problems (none: all is well)."""
        complete = {}
        for node in self._owners[unique_id]:
            self._pending[node].discard(unique_id)
            if not is_dbt_node_status_success(status):
                self._problems[node].append(f"{unique_id}: {status}. {' '.join(message.split())}".strip())
            if not self._pending[node]:
                complete[node] = self._problems.pop(node, [])
        return complete


class DbtNodesSensor(DbtBuildLocalOperator):
    """Ends when dbt has built the nodes and run their tests; fails with the problems of the first that has any.

    It costs no process: the scheduler starts its trigger. `execute` is for a task that somebody clears after the run.
    """

    template_fields = ()
    start_from_trigger = True

    def __init__(self, *, nodes: list[str], **kwargs: Any) -> None:
        names = [DbtNode.get_resource_name_from_unique_id(node) for node in nodes]
        super().__init__(select=names, **kwargs)
        self.nodes = nodes
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="orchestration.triggers.DbtNodesTrigger",
            trigger_kwargs={"nodes": nodes, "producer": f"{GROUP}.{PRODUCER}"},
            next_method="execute",
        )

    def execute(self, context: Context, event: object = None) -> None:
        """Build the nodes and run their tests; `event` is the trigger's, and says nothing more."""
        request = BuildRequest(project=project_digest(current_settings()))
        self.env: dict[str, str] = (self.env or {}) | request.variables()
        super().execute(context)


def begin_build(context: Context) -> None:
    """Before dbt starts: fail a build that was cut off and that Airflow begins again, else keep the warehouse reserved.

    The half that was built is nothing to build upon. Cosmos would skip the task, and a run without a build has nothing to tell.
    Raises AirflowFailException.
    """
    if context["ti"].try_number > 1:
        raise AirflowFailException(
            "the build was cut off in the middle (stopped, or killed) and nothing of it is published"
            " — the next run builds again, upon the published version"
        )
    keep_reserved(context)


def build_unless_unchanged(results: Callable[[], Results], context: Context) -> Any:
    """The producer's `execute`, but no dbt where it would only load the seeds again."""
    task = context["task"]  # the one whose templates Airflow has rendered
    if has_nothing_to_build(context):
        log.info("nothing has changed since the last complete build: there is nothing to do for dbt")
        results().succeeded(context["ti"])
        return None
    know_project(task.cache_dir, target_path(current_settings()))
    return type(task).execute(task, context)


def run_dbt(
    results: Callable[[], Results],
    command: list[str],
    env: dict[str, str],
    cwd: str,
    context: Context,
) -> Any:
    """The producer's `run_dbt_runner`; dbt's dbtRunnerResult. Raises what kept it from telling Airflow how the models have ended."""
    told = results()
    done = watched(current_settings(), command[1:], env, Path(cwd), partial(told.heard, context["ti"]))
    if told.error:
        raise told.error
    if done.success:
        told.succeeded(context["ti"])
    return done


def know_project(cache: Path, parsed: Path) -> None:
    """Give Cosmos dbt's parsed project, unless its own copy is newer: else a DAG's first build parses it all, seconds for nothing.

    dbt reads again what has changed since, and Cosmos is told to do without where the copy can't be made.
    """
    theirs, ours = get_partial_parse_path(cache), parsed / DBT_PARTIAL_PARSE_FILE_NAME
    with suppress(OSError):
        if not theirs.exists() or theirs.stat().st_mtime < ours.stat().st_mtime:
            for name in (DBT_MANIFEST_FILE_NAME, DBT_PARTIAL_PARSE_FILE_NAME):
                safe_copy(parsed / name, theirs.parent / name)


def keep_reserved(context: Context) -> None:
    """Renew the run's reservation of the warehouse, in the background, until this process ends: dbt may take long."""
    run, never = lease_name(context), Event()

    def keep() -> None:
        while True:
            try:
                renew(current_settings(), run)
            except Exception as error:  # noqa: BLE001 - the next one may do
                log.warning("the reservation of the warehouse was not renewed: %s", error)
            never.wait(RESERVED_SECONDS / 4)

    Thread(target=keep, name="reservation", daemon=True).start()


def dbt_tasks(
    settings: Settings, timeout: timedelta, select: tuple[str, ...] = (), *, after: Any
) -> DbtTaskGroup:
    """The task group `dbt`: the producer, `staging`, `intermediate`, and a task for each mart.

    All of them begin when the task `after` has succeeded. Of a selection, the DAG takes no parameters. Parsed from the manifest that `transformation.run.write_manifest` left. Raises EltError
    when there is none.
    """
    manifest = read_manifest(settings)
    tests = tests_by_node(manifest)
    common: dict[str, Any] = {
        "project_dir": PROJECT,
        "profile_config": ProfileConfig(
            profile_name=NAME, target_name=settings.dbt_target, profiles_yml_filepath=PROJECT / "profiles.yml"
        ),
        "retries": 0,  # a test that failed fails again; the next run is the retry
    }
    common["env"] = build_environment(settings)
    watching = common | {
        # they watch from the beginning: one that waited for those before it would end seconds after dbt has ended with it
        "trigger_rule": TriggerRule.ONE_SUCCESS,
        # later than the producer's own limit, which fails them all
        "execution_timeout": timeout + timedelta(minutes=15),
    }

    def mart(node: DbtNode, task_group: Any, **_: Any) -> DbtNodesSensor | None:
        if layer(node) in LAYERS:
            return None
        about = manifest["nodes"][node.unique_id]["description"]
        return DbtNodesSensor(
            task_id=node.name, task_group=task_group, nodes=[node.unique_id], doc_md=about, **watching
        )

    group = DbtTaskGroup(
        group_id=GROUP,
        project_config=ProjectConfig(
            manifest_path=manifest_path(settings), project_name=NAME, install_dbt_deps=False
        ),
        profile_config=common["profile_config"],
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            dbt_project_path=PROJECT,
            setup_operator_args={
                "pool": "warehouse",
                "doc_md": "One `dbt build`; the other tasks of the group show how their part of it went.",
                "execution_timeout": timeout,
                "pre_execute": begin_build,
                "env": {
                    # its events are in the task's log; the file's folder goes with the task
                    "DBT_LOG_LEVEL": "none",
                    "DBT_LOG_LEVEL_FILE": "none",
                    # dbt writes these into its artifacts: which run it was
                    "DBT_ENV_CUSTOM_ENV_DAG_ID": "{{ dag.dag_id }}",
                    "DBT_ENV_CUSTOM_ENV_RUN_ID": "{{ run_id }}",
                    RUN_VARIABLE: "{{ dag.dag_id }} {{ run_id }}",  # as `steps.lease_name`
                    **parameters.ENVIRONMENT,
                    **(SELECTED if select else {}),
                    **build_environment(settings),
                },
                "callback": keep_artifacts,
                "callback_args": {
                    "last": str(artifacts_path(settings)),
                    "results": str(results_path(settings)),
                },
                # unit tests are about the code: `make test` and pull requests run them
                "dbt_cmd_flags": [
                    "--exclude-resource-type",
                    "unit_test",
                    *([] if select else parameters.FLAGS),
                ],
            },
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=list(select),
            emit_datasets=False,
            node_converters={
                DbtResourceType.MODEL: mart,
                DbtResourceType.SEED: lambda **_: None,
                DbtResourceType.SNAPSHOT: lambda **_: None,
            },
        ),
        operator_args={"retries": 0},
    )
    tasks = group.children
    producer = tasks[f"{GROUP}.{PRODUCER}"]
    marts = [task for task in tasks.values() if isinstance(task, DbtNodesSensor)]
    by_layer: dict[str, list[str]] = defaultdict(list)
    for node in group.dbt_graph.filtered_nodes.values():
        if node.resource_type in BUILT and layer(node) in LAYERS and not node.has_ephemeral_materialization:
            by_layer[layer(node)].append(node.unique_id)
    before = None
    with group:
        for name in LAYERS:
            if by_layer[name]:
                about = f"The models of {name}: {len(by_layer[name])}."
                task = DbtNodesSensor(task_id=name, nodes=by_layer[name], doc_md=about, **watching)
                if before:
                    before >> task
                before = task
    watched = [node for task in tasks.values() if isinstance(task, DbtNodesSensor) for node in task.nodes]
    # in place of Cosmos' reporter; DbtTaskGroup offers no other way to choose one
    results = partial(Results, watched, tests)
    producer.run_dbt_runner = partial(run_dbt, results)
    producer.execute = partial(build_unless_unchanged, results)
    for task in marts:
        if before and not task.upstream_task_ids:
            before >> task
    after >> group  # its first tasks
    (first,) = after.leaves
    for task in tasks.values():
        if isinstance(task, DbtNodesSensor) and first.task_id not in task.upstream_task_ids:
            first >> task
    return group


def layer(node: DbtNode) -> str:
    """The folder under `models`; seeds count as staging (they come first), snapshots as intermediate."""
    if node.resource_type == DbtResourceType.SEED:
        return "staging"
    if node.resource_type == DbtResourceType.SNAPSHOT:
        return "intermediate"
    return str(node.fqn[1])


def tests_by_node(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """Each node's own tests. A test of two models (a foreign key) belongs to the one that declares it, not to both:
    else a dimension would wait for the facts that point to it. A singular test belongs to all that it reads.
    """
    tests: dict[str, list[str]] = defaultdict(list)
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            owners = [node["attached_node"]] if node.get("attached_node") else node["depends_on"]["nodes"]
            for owner in owners:
                tests[owner].append(unique_id)
    return tests


def keep_artifacts(project_dir: str, last: str, results: str, **_: Any) -> None:
    """Cosmos runs dbt in a temporary folder; what dbt said is kept from it: the last build's, and each for monitoring."""
    keep(Path(project_dir, "target", "run_results.json"), Path(last), Path(results))
