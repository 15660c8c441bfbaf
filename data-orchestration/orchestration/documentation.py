"""dbt's documentation as one page, put where it is read."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowException

from foundation.settings import Settings
from transformation.run import environment

PAGE = "index.html"


def publish(settings: Settings) -> str:
    """Generate the page and put it into the folder DBT_DOCS_URI; returns its place. Raises AirflowException with dbt's reason."""
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(settings) | {"DBT_TARGET_PATH": folder})
        result = dbtRunner().invoke(["--quiet", "docs", "generate", "--static"])
        if not result.success:
            reason = str(result.exception or "see the task's log")
            raise AirflowException(f"dbt docs generate: {' '.join(reason.split())}")
        place = ObjectStoragePath(settings.docs_uri) / PAGE
        place.parent.mkdir(parents=True, exist_ok=True)
        with Path(folder, "static_index.html").open("rb") as page, place.open("wb") as out:
            shutil.copyfileobj(page, out)
    return str(place)
