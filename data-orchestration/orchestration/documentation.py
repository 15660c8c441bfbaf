"""dbt's documentation as one page, put where it is read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from airflow.sdk import ObjectStoragePath

from foundation.settings import Settings
from transformation.run import write_docs

PAGE = "index.html"


def publish(settings: Settings) -> str:
    """Generate the page and put it into the folder DBT_DOCS_URI; returns its place. Raises DbtError."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_docs(settings, Path(folder))
        place = ObjectStoragePath(settings.docs_uri) / PAGE
        place.parent.mkdir(parents=True, exist_ok=True)
        with page.open("rb") as source, place.open("wb") as out:
            shutil.copyfileobj(source, out)
    return str(place)
