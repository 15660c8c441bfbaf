"""The connector by itself: the CDK's standard tests, and what its description says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_local.sources.connector.environment import _uv
from airbyte_local.sources.connector.registry import SHIPPED, connector_of
from tests.fixtures.web import TOKEN, WebSync

FOLDER = SHIPPED / "source-web-events"


def test_its_token_is_marked_as_secret() -> None:
    assert connector_of("web-events").secret_fields == {"api_token"}


def test_the_specification_that_was_recorded_is_the_one_in_its_code() -> None:
    recorded = json.loads((FOLDER / "spec.json").read_text())
    own = json.loads((FOLDER / "source_web_events" / "spec.json").read_text())
    assert recorded["connectionSpecification"] == own["connectionSpecification"]


def test_every_field_of_an_event_is_described() -> None:
    schema = json.loads((FOLDER / "source_web_events" / "schemas" / "events.json").read_text())
    assert all(field.get("description") for field in schema["properties"].values())


@pytest.mark.slow
def test_the_cdks_standard_tests_pass(web: WebSync, tmp_path: Path) -> None:
    """In an environment of the lock file's, test packages included."""
    folder = tmp_path / "source-web-events"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets", ".venv", "__pycache__"))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "config.json").write_text(json.dumps({"url": web.site.url, "api_token": TOKEN}))
    environ = os.environ | {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")}
    run = {"cwd": folder, "env": environ, "capture_output": True, "text": True}
    made = subprocess.run([_uv(), "sync", "--locked", "--python", sys.executable], **run)
    assert made.returncode == 0, made.stderr
    python = tmp_path / "environment" / "bin" / "python"
    tested = subprocess.run(
        [python, "-m", "pytest", "-q", "-m", "not image_tests", "unit_tests", "-p", "no:cacheprovider"], **run
    )
    assert tested.returncode == 0, tested.stdout[-5000:] + tested.stderr[-2000:]
    assert " failed" not in tested.stdout
    assert " passed" in tested.stdout
