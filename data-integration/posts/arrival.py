"""Has every line of every file arrived? Asked after each sync, because the connector succeeds without a file that it can't decode.

A file whose lines in the raw layer have as many bytes as the object is there. Only the others are read: blank lines and carriage returns
make no difference.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from foundation.settings import Settings
from posts.drop import FOLDER
from transformation.changed_inputs import asking

SETTLED = timedelta(minutes=5)  # what is younger may have come while the sync listed the files
NAMED = 5  # files in an error


def check(config: Settings, store: Store) -> int:
    """How many files have arrived whole. Raises EltError that names those that have not."""
    bytes_of = "octet_length(line)" if config.dbt_target == "snowflake" else "strlen(line)"
    with asking(config, "posts") as ask:
        rows = ask(
            f"select _ab_source_file_url, count(*), sum({bytes_of}) from posts.posts"  # noqa: S608 - two functions
            " group by _ab_source_file_url, _ab_source_file_last_modified order by _ab_source_file_last_modified"
        )
    kept = {path: (lines, size) for path, lines, size in rows}  # the newest version of each
    now, whole, missing = datetime.now(UTC), 0, []
    for found in store.objects(FOLDER):
        if not found.key.endswith(".jsonl") or now - found.modified < SETTLED:
            continue
        lines, size = kept.get(store.uri(found.key).split("/", 3)[3], (0, 0))
        if lines + size != found.size and lines != (there := _lines(store, found.key)):
            missing.append(f"{found.key} ({lines} of {there} lines)")
        else:
            whole += 1
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise EltError(
            f"files of posts have not arrived whole: {', '.join(missing[:NAMED])}{more}",
            "are they UTF-8? Put each right, under another name; remove the old one",
        )
    return whole


def _lines(store: Store, key: str) -> int:
    """Lines of a file that are not blank."""
    body = store.get(key) or b""
    return sum(bool(line.strip(b"\r")) for line in body.split(b"\n"))
