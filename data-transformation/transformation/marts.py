"""The marts as the project's files describe them: no dbt, no warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from transformation.project import PROJECT, files_of

MARTS = "marts"
COMPANIES = ("marts_totesys",)  # schemas of marts that are another company's, published with ours
REF = re.compile(r"ref\('(\w+)'\)")


@dataclass(frozen=True)
class Mart:
    """A mart as its YAML and the first line of its SQL describe it."""

    name: str
    grain: str
    description: str
    meta: dict[str, str]
    columns: list[dict[str, Any]]
    table: str  # and its schema, where it is no developer's
    schema: str
    # dimension → the columns that refer to it, in the model's order
    dimensions: dict[str, list[str]] = field(default_factory=dict)


def marts() -> list[Mart]:
    """Every mart of the project, by name."""
    found = []
    configured = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["models"]["adventureworks"][MARTS]
    for path in sorted(files_of("models/marts", "*.yml"), key=lambda path: path.name):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            sql = path.with_suffix(".sql").read_text()
            dimensions: dict[str, list[str]] = {}
            for column, target in references(model):
                dimensions.setdefault(target, []).append(column)
            found.append(
                Mart(
                    name=model["name"],
                    grain=sql.splitlines()[0].removeprefix("-- grain: "),
                    description=" ".join(model["description"].split()),
                    meta=model.get("config", {}).get("meta", {}),
                    columns=model["columns"],
                    table=model.get("config", {}).get("alias", model["name"]),
                    schema=(
                        "marts_restricted"
                        if "schema='marts_restricted'" in sql
                        else _schema_of(path.parent, configured)
                    ),
                    dimensions=dimensions,
                )
            )
    return found


def _schema_of(folder: Path, configured: dict[str, Any]) -> str:
    """The schema of the models of a folder below a `models/marts`; `configured`: what dbt_project.yml says of that one."""
    schema = MARTS
    for part in folder.parts[folder.parts.index(MARTS, len(PROJECT.parts)) + 1 :]:
        configured = configured.get(part, {})
        schema = configured.get("+schema", schema)
    return str(schema)


def references(model: dict[str, Any]) -> list[tuple[str, str]]:
    """The columns with which the model's test `foreign_keys` says that it refers to another one, each with that one's name."""
    keys = [
        test["foreign_keys"]["arguments"]["columns"]
        for test in model.get("data_tests", [])
        if isinstance(test, dict) and "foreign_keys" in test
    ]
    return [
        (column, REF.search(key["to"])[1])  # type: ignore[index]
        for columns in keys
        for column, key in columns.items()
    ]
