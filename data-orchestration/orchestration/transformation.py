"""dbt in Airflow, through Cosmos: one `dbt build`, watched by a task for each layer and each mart.

DuckDB takes one writing process, and a dbt process takes seconds to start, so one task (the producer) builds everything in
dbt's own order and tells the others, by XCom, how each model and test ended (Cosmos' watcher mode). Staging and
intermediate are one task each, because nobody looks for a single one of their models; every mart is a task of its own, and
fails with its tests.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, LoadMode
from cosmos.dbt.graph import DbtNode
from cosmos.operators._watcher.aggregation import get_tests_status_xcom_key
from cosmos.operators._watcher.state import (
    get_dbt_event_xcom_key,
    get_status_xcom_key,
    is_dbt_node_status_success,
    is_producer_task_terminated,
)
from cosmos.operators.watcher import DbtRunWatcherOperator

from elt.errors import EltError
from elt.settings import Settings
from orchestration.manifest import PROJECT, artifacts_path, manifest_path
from orchestration.notices import WatchedTaskFailed

if TYPE_CHECKING:
    from airflow.sdk import Context

NAME = "adventureworks"
PRODUCER = "dbt_producer_watcher"  # Cosmos' name for the task that runs dbt
LAYERS = ("staging", "intermediate")
BUILT = (DbtResourceType.MODEL, DbtResourceType.SEED, DbtResourceType.SNAPSHOT)


class DbtNodesSensor(DbtRunWatcherOperator):
    """Ends when dbt has built some nodes and run their tests; fails with the first that failed.

    `nodes`: what to wait for, dbt's unique id → unique ids of its tests.
    """

    template_fields = ()
    base_cmd = ["build"]  # noqa: RUF012 - Cosmos' own attribute: what a manual retry runs

    def __init__(self, *, nodes: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(extra_context={"dbt_node_config": {"unique_id": next(iter(nodes))}}, **kwargs)
        self.nodes = nodes
        self._waiting = list(nodes)

    def poke(self, context: Context) -> bool:
        ti = context["ti"]
        ended = is_producer_task_terminated(
            self._get_producer_task_status(context)
        )  # asked before the results
        if ti.try_number > 1 and ended:  # cleared by hand after the run
            names = [DbtNode.get_resource_name_from_unique_id(node) for node in self.nodes]
            self.build_and_run_cmd(context, cmd_flags=["--select", *names])
            return True
        while self._waiting:
            node = self._waiting[0]
            status = (self._said(ti, get_status_xcom_key(node)) or {}).get("status")
            if status and not is_dbt_node_status_success(status):
                raise WatchedTaskFailed(f"{node}: {self._reason(ti, node) or status}")
            if status and self.nodes[node]:
                status = self._said(ti, get_tests_status_xcom_key(node))
                if status and not is_dbt_node_status_success(status):
                    failed = [
                        f"{test}: {reason}" for test in self.nodes[node] if (reason := self._reason(ti, test))
                    ]
                    raise WatchedTaskFailed("; ".join(failed) or f"{node}: a test failed")
            if not status and ended:
                raise WatchedTaskFailed(
                    f"{node}: dbt ended without a result for it, see the log of {self.producer_task_id}"
                )
            if not status:
                return False
            self.log.info("built and tested: %s", node)
            self._waiting.pop(0)
        return True

    def _said(self, ti: Any, key: str) -> Any:
        return ti.xcom_pull(task_ids=self.producer_task_id, key=key)

    def _reason(self, ti: Any, node: str) -> str | None:
        """dbt's message for a node that failed; None for one that did not."""
        event = self._said(ti, get_dbt_event_xcom_key(node)) or {}
        return None if is_dbt_node_status_success(event.get("status")) else event.get("msg")


def dbt_tasks(settings: Settings, timeout: timedelta) -> DbtTaskGroup:
    """The task group `dbt`: the producer, `staging`, `intermediate`, and a task for each mart.

    Parsed from the manifest that `manifest.write_manifest` left. Raises EltError when there is none.
    """
    manifest = manifest_path(settings)
    if not manifest.exists():
        raise EltError(f"there is no dbt manifest at {manifest}", "`elt up airflow` writes it")
    tests = tests_by_node(json.loads(manifest.read_text()))
    common: dict[str, Any] = {
        "project_dir": PROJECT,
        "profile_config": ProfileConfig(
            profile_name=NAME, target_name=settings.dbt_target, profiles_yml_filepath=PROJECT / "profiles.yml"
        ),
        "retries": 0,  # a test that failed fails again; the next run is the retry
    }
    sensor = common | {"deferrable": False, "poke_interval": 2, "timeout": timeout.total_seconds()}

    def mart(node: DbtNode, task_group: Any, **_: Any) -> DbtNodesSensor | None:
        if layer(node) in LAYERS:
            return None
        nodes = {node.unique_id: tests[node.unique_id]}
        return DbtNodesSensor(task_id=node.name, task_group=task_group, nodes=nodes, **sensor)

    group = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(manifest_path=manifest, project_name=NAME, install_dbt_deps=False),
        profile_config=common["profile_config"],
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            dbt_project_path=PROJECT,
            setup_operator_args={
                "pool": "warehouse",
                "execution_timeout": timeout,
                "callback": keep_artifacts,
                "callback_args": {"keep": str(artifacts_path(settings))},
            },
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            emit_datasets=False,
            node_converters={
                DbtResourceType.MODEL: mart,
                DbtResourceType.SEED: lambda **_: None,
                DbtResourceType.SNAPSHOT: lambda **_: None,
            },
        ),
        operator_args={"retries": 0, "deferrable": False},
    )
    tasks = group.children
    producer = tasks[f"dbt.{PRODUCER}"]
    producer.tests_per_model = tests
    marts = [task for task in tasks.values() if isinstance(task, DbtNodesSensor)]
    by_layer: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for node in group.dbt_graph.filtered_nodes.values():
        if node.resource_type in BUILT and layer(node) in LAYERS and not node.has_ephemeral_materialization:
            by_layer[layer(node)][node.unique_id] = tests[node.unique_id]
    before = None
    with group:
        for name in LAYERS:
            if by_layer[name]:
                task = DbtNodesSensor(task_id=name, nodes=by_layer[name], **sensor)
                task.producer_task_id = producer.task_id
                if before:
                    before >> task
                before = task
    for task in marts:
        if before and not task.upstream_task_ids:
            before >> task
    return group


def layer(node: DbtNode) -> str:
    """The folder under `models`; seeds count as staging (they come first), snapshots as intermediate."""
    if node.resource_type == DbtResourceType.SEED:
        return "staging"
    if node.resource_type == DbtResourceType.SNAPSHOT:
        return "intermediate"
    return node.fqn[1]


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


def keep_artifacts(project_dir: str, keep: str, **_: Any) -> None:
    """Cosmos runs dbt in a temporary folder; what dbt said about the build is kept from it."""
    results = Path(project_dir, "target", "run_results.json")
    if results.exists():
        folder = Path(keep)
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / ".run_results.json"
        shutil.copyfile(results, draft)
        draft.replace(folder / results.name)
