"""Where data comes from: a folder per source type."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from airbyte_local.sources.base import Source


def open_source(actor: dict[str, Any]) -> AbstractContextManager[Source]:
    """The source of a task: `{"type": …, "configuration": …}`."""
    from airbyte_local.sources.postgres import PostgresSource

    return {"postgres": PostgresSource}[actor["type"]](actor["configuration"])
