"""Pages of docs/ that are made from the project's files: bus matrix, data dictionary, configuration.

`python -m elt.pages` writes them anew; a test fails when a model or a setting changed and its page did not. Only the
project's files are read: no dbt, no warehouse.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from foundation.settings import GENERATED, ROOT, Settings
from transformation.marts import marts, targets

DOCS = ROOT / "docs"
PROCESSES = ("Sales", "Purchasing", "Production", "People", "Web traffic")


def bus_matrix() -> str:
    """Facts by process against the dimensions that they share."""
    all_marts = marts()
    facts = [mart for mart in all_marts if mart.name.startswith("fct_")]
    facts.sort(key=lambda fact: (PROCESSES.index(fact.meta["process"]), fact.name))
    dimensions = [mart.name for mart in all_marts if mart.name.startswith("dim_")]
    used = {name: sum(name in fact.dimensions for fact in facts) for name in dimensions}
    dimensions.sort(key=lambda name: (-used[name], name))
    lines = [
        "# Bus matrix",
        "",
        "Which fact is described by which conformed dimension. Made from the dbt project by `python -m elt.pages`; a test",
        "compares. A number says how often a fact refers to the dimension (a date in several roles, say).",
        "",
        "| process | fact | "
        + " | ".join(name.removeprefix("dim_").replace("_", " ") for name in dimensions)
        + " |",
        "|---|---|" + ":-:|" * len(dimensions),
    ]
    for fact in facts:
        cells = [_mark(len(fact.dimensions.get(name, []))) for name in dimensions]
        lines.append(f"| {fact.meta['process']} | `{fact.name}` | {' | '.join(cells)} |")
    lines += [
        "",
        "## Facts",
        "",
        "| fact | grain | type | keys and the dimensions that they play |",
        "|---|---|---|---|",
    ]
    for fact in facts:
        roles = [
            f"`{column}` → {target}" for target, columns in fact.dimensions.items() for column in columns
        ]
        lines.append(f"| `{fact.name}` | {fact.grain} | {fact.meta['fact_type']} | {', '.join(roles)} |")
    lines += ["", "## Dimensions", "", "| dimension | grain | facts |", "|---|---|---|"]
    for mart in all_marts:
        if mart.name in dimensions:
            users = [f"`{fact.name}`" for fact in facts if mart.name in fact.dimensions]
            lines.append(f"| `{mart.name}` | {mart.grain} | {', '.join(users) or '—'} |")
    return "\n".join(lines) + "\n"


def _mark(count: int) -> str:
    return {0: "", 1: "●"}.get(count, f"●{count}")


def dictionary() -> str:
    """Every column of every mart: type, meaning, what it refers to."""
    lines = [
        "# Data dictionary",
        "",
        "Every column of every mart, as the models' contracts and descriptions say. Made from the dbt project by",
        "`python -m elt.pages`; a test compares. The columns of staging and intermediate are described beside their models",
        "(`data-transformation/models`), and all of them with their lineage by `dbt docs generate`.",
    ]
    for mart in marts():
        schema = "marts_restricted" if mart.restricted else "marts"
        lines += [
            "",
            f"## {mart.name}",
            "",
            f"Grain: {mart.grain}. Schema `{schema}`.",
            "",
            _text(mart.description),
            "",
        ]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        for column in mart.columns:
            refers = "".join(f" → `{target}`" for target in targets(column))
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
        "Every setting, read once from the environment, then `.env`, then `ELT_HOME/secrets.env`, then the default below. Made from",
        "the settings (`infrastructure/foundation/settings.py`) and [.env.example](../.env.example) by `python -m elt.pages`; a test compares.",
        "",
        "| variable | default | |",
        "|---|---|---|",
    ]
    comments: list[str] = []
    told: dict[str, str] = {}
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("#"):
            comments.append(line.removeprefix("#").strip())
        elif "=" in line:
            told[line.partition("=")[0]] = _text(" ".join(comments))
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
            default = f"`{setting.default}`" if str(setting.default) else "empty"
        lines.append(f"| `{variable}` | {_text(default)} | {told.get(variable, '')} |")
    return "\n".join(lines) + "\n"


PAGES = {
    "bus-matrix.md": bus_matrix,
    "data-dictionary.md": dictionary,
    "configuration.md": configuration,
}


def write(folder: Path = DOCS) -> None:
    """Make every page anew."""
    for name, page in PAGES.items():
        (folder / name).write_text(page())


if __name__ == "__main__":
    write()
