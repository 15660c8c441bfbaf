"""Which connectors there are: each a folder with a `pyproject.toml` that has a table `[tool.elt.connector]`.

A connector from the package index is a project whose only dependency is that package; one of our own is a project that is
the package. Either way uv's lock file in the folder pins everything, and `spec.json` is what the connector's `spec` command
answered when it was locked.

A folder whose table has `manifests` runs low-code manifests: each `NAME.yaml` in that folder is a connector of the type NAME, in
one environment, and has its specification inside. Further manifests are in `manifests` folders of AIRBYTE_CONNECTORS.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from airbyte_local.sources.connector.specification import marked_secret
from foundation.commands import WEEK
from foundation.errors import EltError
from foundation.settings import ROOT, folders_of, settings

SHIPPED = ROOT / "data-integration" / "connectors"
MANIFESTS = "manifests"  # the folder of low-code manifests within a folder of connectors
TYPE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


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
    environment: str = ""  # the name of its environment, as manifests share one; empty: its type
    manifest: Path | None = None  # of a low-code connector

    @property
    def label(self) -> str:
        return f"connector {self.type} {self.version}"

    @property
    def secret_fields(self) -> frozenset[str]:
        """The names of the fields that its specification marks as secret."""
        return marked_secret(self.specification)

    @cached_property
    def specification(self) -> dict[str, Any]:
        """The JSON schema of its configurations. Raises EltError when it was never recorded, or a manifest has none."""
        if self.manifest is not None:
            return _specification_of(self.manifest)
        path = self.folder / "spec.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())["connectionSpecification"]
            return found
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
    """Every connector by its type: those shipped here and those in AIRBYTE_CONNECTORS. Read each time: a connector may be
    added while the server runs. Raises EltError with file and field."""
    found: dict[str, Connector] = {}
    runner: Connector | None = None  # what runs manifests
    further = _further()
    for root in (SHIPPED, *further):
        for path in sorted(root.glob("*/pyproject.toml")):
            connector = _read(path)
            if connector is None:
                continue
            if connector.manifest is not None:
                runner = runner or connector
                _add_all(found, _manifests(connector, connector.manifest))
            else:
                _add_all(found, [(path, connector)])
    if runner is not None:
        for root in further:
            _add_all(found, _manifests(runner, root / MANIFESTS))
    return found


def _add_all(found: dict[str, Connector], more: Iterable[tuple[Path, Connector]]) -> None:
    for path, connector in more:
        other = found.setdefault(connector.type, connector)
        if other is not connector:
            raise EltError(
                f"{path}: the type {connector.type} is also that of {other.manifest or other.folder}",
                "give it another one",
            )


def _manifests(runner: Connector, folder: Path) -> Iterator[tuple[Path, Connector]]:
    """A connector for each manifest of a folder; `runner` is what runs them. Raises EltError for a name that is no type."""
    for path in sorted(folder.glob("*.yaml")):
        if not re.fullmatch(TYPE, path.stem):
            raise EltError(
                f"{path}: its name is the type of a source, of letters, digits, `.`, `_` and `-`", "rename it"
            )
        yield path, replace(
            runner,
            type=path.stem,
            name=path.stem.replace("-", " ").replace("_", " ").capitalize(),
            definition_id=str(uuid5(UUID(runner.definition_id), path.stem)),
            command=(*runner.command, str(path)),
            manifest=path,
        )


def _specification_of(manifest: Path) -> dict[str, Any]:
    """`spec.connection_specification` of a manifest. Raises EltError with file and line."""
    try:
        content = yaml.safe_load(manifest.read_bytes())
        found: dict[str, Any] = content["spec"]["connection_specification"]
        if isinstance(found, dict):
            return found
    except yaml.YAMLError as error:
        raise EltError(f"{manifest}: {' '.join(str(error).split())}", "correct it") from None
    except (KeyError, TypeError):
        pass
    raise EltError(
        f"{manifest} has no spec.connection_specification", "add the JSON schema of its configuration"
    )


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
    folders = folders_of(settings().airbyte_connectors)
    if absent := [folder for folder in folders if not folder.is_dir()]:
        raise EltError(
            f"AIRBYTE_CONNECTORS: there is no folder {absent[0]}",
            "set AIRBYTE_CONNECTORS in .env or the environment to folders of connectors, with `:` between",
        )
    return folders


class _Table(BaseModel):
    """`[tool.elt.connector]`."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"), strict=True)

    type: str = Field(pattern=TYPE)
    name: str
    definition_id: str = Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
    command: list[str] = Field(min_length=1)
    documentation: str = ""
    silence_seconds: float | None = Field(None, gt=0, le=WEEK, allow_inf_nan=False)
    manifests: str = Field("", pattern=r"^[A-Za-z0-9._-]*$")  # its folder of low-code manifests


def _read(path: Path) -> Connector | None:
    """The connector of a project, None for another project. Of one that runs manifests, `manifest` is their folder."""
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EltError(f"{path}: {error}", "correct it") from None
    at: dict[str, Any] | None = project
    for part in ("tool", "elt", "connector"):
        at = at.get(part) if isinstance(at, dict) else None
        if at is None:
            return None
    if not isinstance(at, dict):
        raise EltError(
            f"{path}: [tool.elt.connector] is no table", "see data-integration/connectors/README.md"
        )
    missing = [field for field in ("type", "name", "definition-id", "command") if not at.get(field)]
    if missing:
        raise EltError(f"{path}: [tool.elt.connector] lacks {', '.join(missing)}", "add it")
    try:
        table = _Table.model_validate(at)
        version = TypeAdapter(str).validate_python(project.get("project", {}).get("version"))
    except ValidationError as error:
        first = error.errors()[0]
        raise EltError(
            f"{path}: {'.'.join(map(str, first['loc'])) or 'project.version'}: {first['msg']}",
            "see data-integration/connectors/README.md",
        ) from None
    return Connector(
        folder=path.parent,
        type=table.type,
        name=table.name,
        definition_id=table.definition_id,
        command=tuple(table.command),
        version=version,
        documentation=table.documentation,
        silence_seconds=table.silence_seconds,
        environment=table.type,
        manifest=path.parent / table.manifests if table.manifests else None,
    )
