"""Every variable that our code or dbt's project reads from the environment is a setting, and is in `.env.example`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from foundation.settings import ROOT, Settings

FOLDERS = ("data-integration", "data-orchestration", "data-transformation", "infrastructure")
# of the system, of CI, and of other programs
OTHERS = {"HOME", "JAVA_HOME", "PATH", "PYTHONPATH", "USER", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"}
# what one of our processes gives another; nobody sets them in `.env`
OWN = {
    "ELT_INSTANCE": "foundation.limits.instance: of which stack a server is",
    "DBT_MARTS_SCHEMA": "publishing: where a run builds",
    "ELT_BUILD": "transformation.request: what a build shall do",
    "ELT_RUN": "foundation.lease: for which run a process works",
    "ELT_STACK": "stack: to which stack a process belongs",
    **dict.fromkeys(
        ("STREAM_CLICKHOUSE_HOST", "STREAM_CLICKHOUSE_HTTP_PORT", "STREAM_CLICKHOUSE_SECURE"),
        "streaming.marts, from STREAM_CLICKHOUSE_URL",
    ),
    "SUPERSET_DATABASE_URI": "stack.superset, from METADATA_… and SUPERSET_DATABASE_PASSWORD",
    "SUPERSET_EMBEDDED": "stack.superset, from ELT_SOURCES and STREAM_PAGE_PORT",
    "SUPERSET_RESULTS": "stack.superset, from ELT_HOME",
    "SUPERSET_SHOWN_FILES": "stack.superset, from ELT_HOME",
}


def read_by(path: Path) -> Iterator[str]:
    """Names of the variables that a Python file reads, through a constant of its own, too."""
    tree = ast.parse(path.read_text())
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def name(node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        return constants.get(node.id) if isinstance(node, ast.Name) else None

    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            found = name(node.slice)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv"):
            found = name(node.args[0])
        elif isinstance(node, ast.keyword) and node.arg == "envvar":
            found = name(node.value)
        else:
            continue
        if isinstance(found, str):
            yield found


def asked_of_dbt(path: Path) -> Iterator[str]:
    yield from re.findall(r"env_var\(\s*['\"](\w+)['\"]", path.read_text())


def every_variable() -> dict[str, str]:
    """Name → a file that reads it."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if any(part in (".venv", "target", "node_modules") for part in parts):
                continue
            if path.suffix == ".py":
                found |= dict.fromkeys(read_by(path), "/".join(parts))
            elif path.suffix in (".sql", ".yml") and folder == "data-transformation":
                found |= dict.fromkeys(asked_of_dbt(path), "/".join(parts))
    return found


def test_every_variable_that_is_read_is_a_setting():
    settings = {name.upper() for name in Settings.model_fields}
    unknown = {
        name: path for name, path in every_variable().items() if name not in settings | OTHERS | OWN.keys()
    }
    assert unknown == {}


def test_the_search_finds_each_way_of_reading(tmp_path):
    file = tmp_path / "code.py"
    file.write_text(
        'import os\nNAME = "BY_CONSTANT"\nos.environ["BY_INDEX"]\nos.environ.get("BY_GET", "x")\n'
        'os.environ.get(NAME)\nos.getenv("BY_GETENV")\noption("--x", envvar="BY_OPTION")\n'
    )
    assert set(read_by(file)) == {"BY_CONSTANT", "BY_INDEX", "BY_GET", "BY_GETENV", "BY_OPTION"}
    assert {"SNOWFLAKE_PRIVATE_KEY", "DBT_TARGET", "ELT_BUILD"} <= every_variable().keys()
