"""What the project replaces of dbt was read in the versions that are installed."""

from __future__ import annotations

import re
from importlib.metadata import version

from transformation.project import PROJECT


def test_replaced_macros_were_read_in_the_installed_versions() -> None:
    named = dict(re.findall(r"(dbt-[a-z]+) (\d+\.\d+)", (PROJECT / "macros" / "overrides.sql").read_text()))
    assert set(named) == {"dbt-core", "dbt-adapters", "dbt-duckdb", "dbt-snowflake"}
    assert {name: version(name).rsplit(".", 1)[0] for name in named} == named
