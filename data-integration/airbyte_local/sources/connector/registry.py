"""Which connectors there are: each a folder with a `pyproject.toml` that has a table `[tool.elt.connector]`.

A connector from the package index is a project whose only dependency is that package; one of our own is a project that is
the package. Either way uv's lock file beside it pins everything, and `spec.json` is what the connector's `spec` command
answered when it was locked.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from airbyte_local.sources.connector.specification import marked_secret
from foundation.errors import EltError
from foundation.settings import ROOT, settings

SHIPPED = ROOT / "data-integration" / "connectors"


@dataclass(frozen=True)
class Connector:
    """One connector. `type` is the `sourceType` of its configurations, `command` what runs it, its arguments aside."""

    folder: Path
    type: str
    name: str
    definition_id: str
    command: tuple[str, ...]
    version: str
    documentation: str = ""
    silence_seconds: float | None = None  # its own, instead of AIRBYTE_CONNECTOR_SILENCE_SECONDS

    @property
    def label(self) -> str:
        return f"connector {self.type} {self.version}"

    @property
    def secret_fields(self) -> frozenset[str]:
        """The names of the fields that its specification marks as secret."""
        return marked_secret(self.specification)

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The JSON schema of its configurations. Raises EltError when it was never recorded."""
        path = self.folder / "spec.json"
        try:
            return json.loads(path.read_text())["connectionSpecification"]
        except FileNotFoundError:
            raise EltError(
                f"{self.label}: {path} is missing", f"record it: elt connectors lock {self.type}"
            ) from None
        except (ValueError, KeyError):
            raise EltError(
                f"{path} is not the answer of a connector's spec command",
                f"record it again: elt connectors lock {self.type}",
            ) from None


def connectors() -> dict[str, Connector]:
    """Every connector by its type: those shipped here and those in AIRBYTE_CONNECTORS. Read anew each time: a connector may be
    added while the server runs. Raises EltError with file and field."""
    found: dict[str, Connector] = {}
    for root in (SHIPPED, *_further()):
        for path in sorted(root.glob("*/pyproject.toml")):
            connector = _read(path)
            if connector is None:
                continue
            other = found.setdefault(connector.type, connector)
            if other is not connector:
                raise EltError(
                    f"{path}: the type {connector.type} is also that of {other.folder}", "give it another one"
                )
    return found


def connector_of(type_: str) -> Connector:
    """The connector of a stored source. Raises EltError when it is there no more."""
    known = connectors()
    if type_ not in known:
        raise EltError(
            f"there is no connector {type_}",
            f"put its folder back under {SHIPPED} (there is: {', '.join(known) or 'none'})",
        )
    return known[type_]


def _further() -> list[Path]:
    text = settings().airbyte_connectors
    return [(ROOT / Path(part).expanduser()).resolve() for part in text.split(":") if part]


def _read(path: Path) -> Connector | None:
    try:
        project = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise EltError(f"{path}: {error}", "correct it") from None
    table = project.get("tool", {}).get("elt", {}).get("connector")
    if table is None:
        return None
    missing = [field for field in ("type", "name", "definition-id", "command") if not table.get(field)]
    if missing:
        raise EltError(f"{path}: [tool.elt.connector] lacks {', '.join(missing)}", "add it")
    return Connector(
        folder=path.parent,
        type=table["type"],
        name=table["name"],
        definition_id=table["definition-id"],
        command=tuple(table["command"]),
        version=project["project"]["version"],
        documentation=table.get("documentation", ""),
        silence_seconds=table.get("silence-seconds"),
    )
