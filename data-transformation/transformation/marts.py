"""The marts as the project's files describe them: no dbt, no warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from transformation.project import PROJECT

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
    for path in sorted((PROJECT / "models" / "marts").rglob("*.yml"), key=lambda path: path.name):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            sql = path.with_suffix(".sql").read_text()
            dimensions: dict[str, list[str]] = {}
            for column in model["columns"]:
                for target in targets(column):
                    dimensions.setdefault(target, []).append(column["name"])
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
    """The schema of the models of a folder below models/marts; `configured`: what dbt_project.yml says of that one."""
    schema = MARTS
    for part in folder.relative_to(PROJECT / "models" / "marts").parts:
        configured = configured.get(part, {})
        schema = configured.get("+schema", schema)
    return str(schema)


def targets(column: dict[str, Any]) -> list[str]:
    """The models to which the column's relationships tests say that it refers."""
    tests = [
        test["relationships"]
        for test in column.get("data_tests", [])
        if isinstance(test, dict) and "relationships" in test
    ]
    return [REF.search(test["arguments"]["to"])[1] for test in tests]  # type: ignore[index]
