"""What `elt lake compact` and a maintenance DAG do: merge, publish, let go."""

from __future__ import annotations

from dataclasses import replace

from foundation.settings import Settings
from lake.compact import Compacted, compact, retain
from lake.place import store as store_of
from lake.publish import published
from lake.reading import logs


def keep_up(config: Settings, connection: str | None = None, *, whole: bool = False) -> list[Compacted]:
    """Compact each connection where the rules ask for it, publish that, then delete what nobody needs."""
    store = store_of(config)
    found = []
    for name, log in logs(store, connection).items():
        done = compact(store, log, name, config, whole=whole)
        deleted = retain(store, log, config, published=published(config, store, log))
        found.append(replace(done, deleted=deleted))
    return found
