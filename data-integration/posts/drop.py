"""Put the files of posts into the lake's bucket, below `drops/posts`: where a connector, or a pipe of Snowflake, reads them.

Not in the zone `landing`: that is the lake's own, which deletes what no manifest of a sync names.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from airbyte_local.destinations.lake.store import Store
from posts.writing import Posts

FOLDER = "drops/posts/"


class Dropped(NamedTuple):
    """How many files a drop has written, and how many there are."""

    written: int
    files: int


def drop(store: Store, posts: Posts, now: datetime) -> Dropped:
    """Write each file that is not there, or has grown. A file appears whole; a second call at the same time writes nothing.

    Raises EltError when the store can't be reached or refuses.
    """
    there = {found.key: found.size for found in store.objects(FOLDER)}
    written = files = 0
    for name, body in posts.files(now):
        files += 1
        if there.get(FOLDER + name) != len(body):
            store.put(FOLDER + name, body)
            written += 1
    return Dropped(written, files)
