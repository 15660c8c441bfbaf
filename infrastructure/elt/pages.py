"""Pages of docs/ that are made from the project's files: the bus matrix in marts.md, the configuration, the data dictionary.

`python -m elt.pages` writes the first two; a test fails when a model or a setting changed and its page did not. The data
dictionary is not committed: `elt ci docs` adds it to the site. It reads only the project's files: no dbt, no warehouse.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from foundation.settings import GENERATED, ROOT, Settings
from transformation.marts import COMPANIES, Mart, marts

DOCS = ROOT / "docs"
MATRIX = re.compile(r"(<!-- bus matrix: python -m elt\.pages -->\n).*?(<!-- bus matrix end -->)", re.S)
PROCESSES = (
    "Sales",
    "Purchasing",
    "Production",
    "People",
    "Web traffic",
    "Second company",
    "Weather",
    "Open source",
    "Posts",
    "Card payments",
)


def bus_matrix(*schemas: str) -> str:
    """The table of the facts, by process, against the dimensions that they share; without `schemas`, of our own marts."""
    facts, dimensions = _facts_and_dimensions(schemas or ("marts", "marts_restricted"))
    names = [dimension.name.removeprefix("dim_").replace("_", " ") for dimension in dimensions]
    lines = [f"| process | fact | {' | '.join(names)} |", "|---|---|" + ":-:|" * len(dimensions)]
    for fact in facts:
        cells = [_mark(len(fact.dimensions.get(dimension.name, []))) for dimension in dimensions]
        lines.append(f"| {fact.meta['process']} | `{fact.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _facts_and_dimensions(schemas: tuple[str, ...]) -> tuple[list[Mart], list[Mart]]:
    """Facts by process; dimensions by the number of facts that use them."""
    there = [mart for mart in marts() if mart.schema in schemas]
    facts = [mart for mart in there if mart.name.startswith("fct_") or "fact_type" in mart.meta]
    facts.sort(key=lambda fact: (PROCESSES.index(fact.meta["process"]), fact.name))
    dimensions = [mart for mart in there if mart.name.startswith("dim_")]
    used = {each.name: sum(each.name in fact.dimensions for fact in facts) for each in dimensions}
    dimensions.sort(key=lambda each: (-used[each.name], each.name))
    return facts, dimensions


def marts_page() -> str:
    """The page with its bus matrix as it should be."""
    page = (DOCS / "marts.md").read_text()
    return MATRIX.sub(lambda found: f"{found[1]}{bus_matrix()}\n{bus_matrix(*COMPANIES)}{found[2]}", page)


def _mark(count: int) -> str:
    return {0: "", 1: "●"}.get(count, f"●{count}")


def dictionary() -> str:
    """Every fact with its dimensions; every column of every mart: type, meaning, what it refers to."""
    facts, dimensions = _facts_and_dimensions(("marts", "marts_restricted", *COMPANIES))
    lines = [
        "# Data dictionary",
        "",
        "Every column of every mart, made from the contracts and descriptions of the models when this site was built. dbt's own",
        "documentation also has the columns of staging and intermediate models, and the lineage.",
        "",
        "| fact | grain | type | dimension of each key |",
        "|---|---|---|---|",
    ]
    for fact in facts:
        roles = [
            f"`{column}` → {target}" for target, columns in fact.dimensions.items() for column in columns
        ]
        lines.append(f"| `{fact.name}` | {fact.grain} | {fact.meta['fact_type']} | {', '.join(roles)} |")
    lines += ["", "| dimension | grain | facts |", "|---|---|---|"]
    for dimension in dimensions:
        users = [f"`{fact.name}`" for fact in facts if dimension.name in fact.dimensions]
        lines.append(f"| `{dimension.name}` | {dimension.grain} | {', '.join(users) or '—'} |")
    for mart in marts():
        lines += [
            "",
            f"## {mart.name}",
            "",
            f"Grain: {mart.grain}. Table `{mart.schema}.{mart.table}`.",
            "",
            _text(mart.description),
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        referred = {column: target for target, columns in mart.dimensions.items() for column in columns}
        for column in mart.columns:
            target = referred.get(column["name"])
            refers = f" → `{target}`" if target else ""
            lines.append(
                f"| `{column['name']}` | {column['data_type']} | {_text(column['description'])}{refers} |"
            )
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def configuration() -> str:
    """Every setting with its default, in the words and the order of `.env.example`."""
    lines = [
        "# Configuration",
        "",
        "Every setting. The first place that has a value counts: the environment, `.env`, `ELT_HOME/secrets.env`, the default below.",
        "`python -m elt.pages` makes this page from `infrastructure/foundation/settings.py` and [.env.example](../.env.example); a test compares.",
        "",
        "| variable | default | |",
        "|---|---|---|",
    ]
    comments: list[str] = []
    texts: dict[str, str] = {}
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("#"):
            comments.append(line.removeprefix("#").strip())
        elif "=" in line:
            texts[line.partition("=")[0]] = _text(" ".join(comments))
            comments = []
        else:
            comments = []
    for name, setting in Settings.model_fields.items():
        variable = name.upper()
        if variable in GENERATED:
            default = "generated"
        elif isinstance(setting.default, SecretStr):
            default = "empty, a secret"
        else:
            default = "empty" if setting.default in ("", None) else f"`{setting.default}`"
        lines.append(f"| `{variable}` | {_text(default)} | {texts.get(variable, '')} |")
    return "\n".join(lines) + "\n"


PAGES = {"configuration.md": configuration, "marts.md": marts_page}


def write(folder: Path = DOCS) -> None:
    """Write every page that is committed."""
    for name, page in PAGES.items():
        (folder / name).write_text(page())


if __name__ == "__main__":
    write()
