"""dbt's documentation as one page: put where it is read, and into the lake's bucket where there is one.

In the bucket each version is an object of its own below `docs/dbt/versions`, and `docs/dbt/latest.json` names the one to read, with its
SHA-256. It is written last, and as a whole: who reads it finds a page that is complete. The last VERSIONS stay.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import ObjectStoragePath

from foundation.errors import EltError
from foundation.settings import Settings
from transformation.run import write_docs

if TYPE_CHECKING:
    from airbyte_local.destinations.lake.store import Store

PAGE = "index.html"
FOLDER, LATEST = "docs/dbt/", "docs/dbt/latest.json"
VERSIONS = 7


@dataclass(frozen=True)
class Version:
    """A page in the bucket: its key there, its SHA-256, its size in bytes, and when it was put there (UTC)."""

    key: str
    sha256: str
    size: int
    uploaded_at: str


def publish(settings: Settings) -> str:
    """Generate the page and put it into the folder DBT_DOCS_URI, the old one or the new one at any time; its place. Raises DbtError."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_docs(settings, Path(folder))
        place = ObjectStoragePath(settings.docs_uri) / PAGE
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.protocol == "file":
            draft = Path(f"{place.path}.new")
            shutil.copyfile(page, draft)
            draft.replace(place.path)
        else:
            with (
                page.open("rb") as source,
                place.open("wb") as out,
            ):  # an object store shows it when it is closed
                shutil.copyfileobj(source, out)
    return str(place)


def upload(settings: Settings, store: Store) -> Version:
    """Put the page that was published last into the bucket. Raises EltError: there is none, or the store refuses."""
    place = ObjectStoragePath(settings.docs_uri) / PAGE
    if not place.exists():
        raise EltError(f"there is no page at {place}", "generate it first: the DAG's task publish_docs")
    with place.open("rb") as source:
        page: bytes = source.read()
    digest, now = hashlib.sha256(page).hexdigest(), datetime.now(UTC)
    key = f"{FOLDER}versions/{now:%Y%m%dT%H%M%S%f}-{digest[:12]}/{PAGE}"
    version = Version(key, digest, len(page), now.isoformat(timespec="microseconds"))
    store.put(key, page)
    store.put(LATEST, json.dumps(asdict(version), indent=2).encode())
    every = sorted(found.key for found in store.objects(f"{FOLDER}versions/"))
    store.delete([old for old in every[:-VERSIONS] if old != key])
    return version


def watch(store: Store, since: str = "") -> Version:
    """The version that a reader of the bucket finds now: whole, and not older than `since`, a time as in `uploaded_at`. Raises EltError
    otherwise."""
    told = store.get(LATEST)
    if told is None:
        raise EltError(f"{store.uri(LATEST)} is missing", "run the DAG adventureworks_docs again")
    try:
        version = Version(**json.loads(told))
    except (ValueError, TypeError):
        raise EltError(
            f"{store.uri(LATEST)} is not as it was written", "run the DAG adventureworks_docs again"
        ) from None
    page = store.get(version.key)
    if page is None or hashlib.sha256(page).hexdigest() != version.sha256:
        raise EltError(
            f"{store.uri(version.key)} is {'missing' if page is None else 'another page than was uploaded'}",
            "run the DAG adventureworks_docs again",
        )
    if version.uploaded_at < since:
        raise EltError(
            f"{store.uri(LATEST)} is of {version.uploaded_at}, older than {since}",
            "see the tasks before: what was uploaded did not arrive",
        )
    return version
