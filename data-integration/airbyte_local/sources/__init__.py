"""Where data comes from: a folder per source type, and one for all connectors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from airbyte_local.sources.base import Source

BUILT_IN = frozenset({"postgres"})


def secret_fields(type_: str) -> frozenset[str]:
    """The names of the fields that a connector of this type marks as secret, beyond those that are so everywhere."""
    if type_ in BUILT_IN:
        return frozenset()
    from airbyte_local.sources.connector.registry import connectors

    found = connectors().get(type_)
    return found.secret_fields if found else frozenset()


def open_source(actor: dict[str, Any], *, own_group: bool = False) -> AbstractContextManager[Source]:
    """The source of a task: `{"type": …, "configuration": …}`. Any type that is not built in is a connector; a caller that is
    no job process has its processes end as a group of their own.
    """
    if actor["type"] in BUILT_IN:
        from airbyte_local.sources.postgres import opened

        return opened(actor["configuration"])
    from airbyte_local.sources.connector.source import ConnectorSource

    return ConnectorSource(actor["type"], actor["configuration"], own_group=own_group)
