"""Discovery: which streams a source has, with their keys, cursors and sync modes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from airbyte_local.api.actors import get_actor
from airbyte_local.api.common import StoreOf
from airbyte_local.api.configurations import captures
from airbyte_local.api.problems import Problem
from airbyte_local.enums import ActorKind, SyncMode
from airbyte_local.schema import SourceStream
from airbyte_local.sources import open_source
from airbyte_local.store import Actor
from foundation.errors import EltError
from foundation.quoting import encodable

router = APIRouter(prefix="/streams", tags=["streams"])


def discovered(source: Actor) -> list[SourceStream]:
    """The streams of a source. Raises a 400 with the exact reason when the source cannot be read."""
    end = {"type": source.type, "configuration": source.configuration}
    try:
        with open_source(end, own_group=True) as opened:  # drivers are loaded when they are needed
            return list(opened.discover())
    except EltError as error:
        raise Problem(400, str(error), sourceId=source.id) from None


@router.get("")
def list_streams(
    store: StoreOf,
    source_id: str = Query(alias="sourceId"),
    destination_id: str | None = Query(None, alias="destinationId"),
    ignore_cache: bool = Query(False, alias="ignoreCache"),
) -> list[dict[str, Any]]:
    """Always read from the source: there is no cache that could be stale."""
    source = get_actor(store, ActorKind.SOURCE, source_id)
    if destination_id is not None:
        get_actor(store, ActorKind.DESTINATION, destination_id)
    captured = captures(source.configuration)
    return [shown(stream, captured) for stream in discovered(source)]


def shown(stream: SourceStream, captured: bool) -> dict[str, Any]:
    """Airbyte's fields. Names that have no encoding can only be read here: they cannot be selected."""
    modes = [SyncMode.FULL_REFRESH_OVERWRITE, SyncMode.FULL_REFRESH_APPEND]
    by_cursor = bool(stream.cursor_candidates) if stream.incremental is None else stream.incremental
    if stream.primary_key if captured else by_cursor:
        modes += [SyncMode.INCREMENTAL_DEDUPED_HISTORY, SyncMode.INCREMENTAL_APPEND]
    cursor = stream.cursor_path or stream.cursor_candidates[:1]
    key_paths = stream.key_paths or [(column,) for column in stream.primary_key]
    return {
        "streamName": encodable(stream.name),
        "streamnamespace": encodable(stream.namespace) or None,
        "syncModes": modes,
        "defaultCursorField": [] if captured else list(map(encodable, cursor)),
        "sourceDefinedCursorField": captured or stream.own_cursor,
        "sourceDefinedPrimaryKey": [list(map(encodable, path)) for path in key_paths],
        "propertyFields": [[encodable(column.name)] for column in stream.columns],
    }
