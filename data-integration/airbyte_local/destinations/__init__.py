"""Where data goes: a folder per destination type, each with the same rooms."""

from __future__ import annotations

from typing import Any

from airbyte_local.destinations.base import Destination


def open_destination(actor: dict[str, Any]) -> Destination:
    """The destination of a task: `{"type": …, "configuration": …}`."""
    if actor["type"] == "snowflake":
        from airbyte_local.destinations.snowflake import SnowflakeDestination

        return SnowflakeDestination(actor["configuration"])
    if actor["type"] == "lake":
        from airbyte_local.destinations.lake import LakeDestination

        return LakeDestination(actor["configuration"])
    from airbyte_local.destinations.duckdb import DuckdbDestination

    return DuckdbDestination(actor["configuration"])
