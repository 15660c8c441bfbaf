"""The request for one dbt build. `elt build` and the DAG's task `prepare` make it, and judge it here; dbt gets it whole, as
the variable ELT_BUILD, which one macro reads (macros/request.sql).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from foundation.errors import EltError

if TYPE_CHECKING:
    from transformation.changed_inputs import Changes

VARIABLE = "ELT_BUILD"
NOTHING = "resource_type:seed"  # what is left to select where nothing has changed


@dataclass(frozen=True)
class BuildRequest:
    """A build: of which nodes, what of it from all rows, and which inputs have changed.

    `select` are dbt's selectors; empty: all nodes. `full_refresh` names incremental models that are built from all rows.
    The facts of the days `rebuild_from` to `rebuild_to` (the first alone, when that is None) are built again.

    The others come from `transformation.changed_inputs`, through `knowing`: `project` is the digest of the files that are built,
    `building_from` the versions of the raw streams, which are noted when all has ended well (empty: they are not, as the build
    leaves out what may have changed), `built_from` what a build of what has changed counts upon, and `changes` what the models
    of such a build get to know (`changed_inputs.difference`).
    """

    select: tuple[str, ...] = ()
    everything: bool = False  # also what has not changed
    full_refresh: tuple[str, ...] = ()
    rebuild_from: date | None = None
    rebuild_to: date | None = None
    project: str = ""
    building_from: Mapping[str, str] = field(default_factory=dict)
    built_from: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_form(cls, values: Mapping[str, Any]) -> BuildRequest:
        """The request that somebody filled in the DAG's trigger form for; a value that is not there is an empty one."""
        first, last = values.get("rebuild_from"), values.get("rebuild_to")
        return cls(
            select=(*(values.get("models") or ()), *(values.get("select") or "").split()),
            everything=bool(values.get("everything")),
            full_refresh=tuple(values.get("full_refresh") or ()),
            rebuild_from=date.fromisoformat(first) if first else None,
            rebuild_to=date.fromisoformat(last) if last else None,
        )

    @property
    def beyond_changes(self) -> str:
        """What of the request needs nodes whose inputs have not changed, by name; empty: nothing does."""
        asked = ("select", "everything", "full_refresh", "rebuild_from")
        return next((name for name in asked if getattr(self, name)), "")

    def check(self) -> None:
        """Raises EltError when two values contradict each other."""
        first, last = self.rebuild_from, self.rebuild_to
        if last and not first:
            raise EltError(f"rebuild_to is {last}, but rebuild_from is empty", "give the first day, too")
        if first and last and last < first:
            raise EltError(f"rebuild_to ({last}) is before rebuild_from ({first})", "exchange them")
        if self.everything and self.select:
            raise EltError(
                f"everything is to be built, but select is `{' '.join(self.select)}`",
                "leave one of them out",
            )

    def check_models(self, models: Collection[str]) -> None:
        """Raises EltError when `full_refresh` names a model that is none of these, which `select` means."""
        if missing := sorted(set(self.full_refresh) - set(models)):
            raise EltError(
                f"full_refresh names {', '.join(missing)}, which `{' '.join(self.select)}` does not select",
                "widen the selection",
            )

    def knowing(self, found: Changes, *, complete: bool, only_changed: bool) -> BuildRequest:
        """The same with what has changed. `complete`: it leaves nothing out that may differ; `only_changed`: it leaves out the rest."""
        return replace(
            self,
            select=tuple(found.selectors or (NOTHING,)) if only_changed else self.select,
            project=found.now["project"],
            building_from=found.now if complete else {},
            built_from=found.built if complete and only_changed else {},
            changes=found.difference if complete and only_changed else {},
        )

    @staticmethod
    def is_nothing(variable: str | None) -> bool:
        """Whether the request in this variable is one of what has changed, and nothing has; not one of somebody who wants the seeds."""
        asked = json.loads(variable) if variable else {}
        return bool(asked.get("built_from")) and asked["select"] == [NOTHING]

    def variables(self) -> dict[str, str]:
        """The variable by which dbt gets it, for its environment."""
        return {VARIABLE: json.dumps(asdict(self), default=str)}
