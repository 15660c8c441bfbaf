"""The marts as the project's files describe them: no dbt, no warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from transformation.project import PROJECT

REF = re.compile(r"ref\('(\w+)'\)")


@dataclass(frozen=True)
class Mart:
    """A mart as its YAML and the first line of its SQL describe it."""

    name: str
    grain: str
    description: str
    meta: dict[str, str]
    columns: list[dict[str, Any]]
    restricted: bool
    # dimension → the columns that refer to it, in the model's order
    dimensions: dict[str, list[str]] = field(default_factory=dict)


def marts() -> list[Mart]:
    """Every mart of the project, by name."""
    found = []
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
                    restricted="schema='marts_restricted'" in sql,
                    dimensions=dimensions,
                )
            )
    return found


def targets(column: dict[str, Any]) -> list[str]:
    """The models to which the column's relationships tests say that it refers."""
    tests = [
        test["relationships"]
        for test in column.get("data_tests", [])
        if isinstance(test, dict) and "relationships" in test
    ]
    return [REF.search(test["arguments"]["to"])[1] for test in tests]  # type: ignore[index]
