"""What a reviewer reads: the outcome of slim CI as markdown."""

from __future__ import annotations

from elt.ci.slim import Relation, Slim

MARK = "<!-- elt ci dbt -->"  # by which the comment of the run before is found and replaced


def comment(found: Slim, problems: list[str], scale: float) -> str:
    """The comment; `problems` are those of the files themselves."""
    wrong = [*problems, *found.failures]
    lines = [MARK, f"### dbt: {'this change fails' if wrong else 'this change is good'}", "", summary(found)]
    lines += ["", f"Base `{found.base[:12]}`, generated data at scale {scale:g}, DuckDB, no credential."]
    if wrong:
        lines += ["", "**Failures**", "", *(f"- {_text(line)}" for line in wrong)]
    if found.relations:
        lines += [
            "",
            "| model | why | rows in base | rows now | difference | columns |",
            "|---|---|--:|--:|--:|---|",
        ]
        lines += [_row(each) for each in found.relations]
    if found.removed:
        lines += ["", f"No longer there: {', '.join(f'`{name}`' for name in found.removed)}."]
    if found.tests:
        said = ", ".join(f"{count} {status}" for status, count in sorted(found.tests.items()))
        lines += ["", f"Tests: {said}."]
    if found.dashboards:
        lines += ["", f"Dashboards that show them: {', '.join(found.dashboards)}."]
    return "\n".join(lines) + "\n"


def summary(found: Slim) -> str:
    """One line: what ran, and what did not."""
    changed = sum(each.changed for each in found.relations)
    after = len(found.relations) - changed
    if not found.relations and not found.deferred:
        return "Nothing of the dbt project changed; no model ran."
    return (
        f"{changed} changed, {after} after them built; {found.deferred} others deferred to the base, not run."
    )


def _row(each: Relation) -> str:
    signs = [f"+ {name}" for name in each.columns_added] + [f"− {name}" for name in each.columns_gone]
    cells = [
        f"`{each.name}`",
        "changed" if each.changed else "after it",
        _count(each.rows_before, "new"),
        _count(each.rows, "not built"),
        _difference(each),
        ", ".join(signs),
    ]
    return f"| {' | '.join(cells)} |"


def _count(rows: int | None, otherwise: str) -> str:
    return otherwise if rows is None else f"{rows:,}"


def _difference(each: Relation) -> str:
    if each.rows is None or each.rows_before is None:
        return ""
    return f"{each.rows - each.rows_before:+,}" if each.rows != each.rows_before else "0"


def _text(line: str) -> str:
    return line.replace("<", "&lt;").replace("|", "\\|")
