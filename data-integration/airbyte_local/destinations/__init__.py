"""Where data goes: a folder per destination type, each with the same rooms."""

from __future__ import annotations

from typing import Any

from airbyte_local.destinations.base import Destination


def open_destination(actor: dict[str, Any]) -> Destination:
    """The destination of a task: `{"type": …, "configuration": …}`."""
    from airbyte_local.destinations.duckdb import DuckdbDestination

    return {"duckdb": DuckdbDestination}[actor["type"]](actor["configuration"])
