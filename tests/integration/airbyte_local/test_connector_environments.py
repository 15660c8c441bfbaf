"""Connectors' environments: made once, whole or not at all, from what their lock files pin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTED = ROOT / "tests" / "connectors" / "source-scripted"
FAKER = ROOT / "data-integration" / "connectors" / "source-faker"


@pytest.fixture
def elt(tmp_path: Path):
    """Runs `elt connectors …` with a home and a folder of connectors of its own; the scripted one is in it."""
    shutil.copytree(SCRIPTED, tmp_path / "connectors" / "source-scripted")
    environ = {
        **os.environ,
        "ELT_HOME": str(tmp_path / "home"),
        "AIRBYTE_CONNECTORS": str(tmp_path / "connectors"),
    }

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "elt.cli", "connectors", *arguments]
        return subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    text = process.communicate(timeout=120)[0]
    assert process.returncode == code, text
    return text


def environments(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "home" / "connectors").glob("scripted-*") if path.is_dir()]


def test_two_at_once_make_one_environment(elt, tmp_path: Path) -> None:
    texts = [said(process) for process in (elt("install", "scripted"), elt("install", "scripted"))]
    assert sorted("its environment is ready" in text for text in texts) == [False, True]
    (made,) = environments(tmp_path)
    assert (made / "whole").exists()
    assert "installed    " in said(elt("list"))
    assert "making" not in said(elt("install", "scripted"))


def test_half_an_environment_is_never_used(elt, tmp_path: Path) -> None:
    said(elt("install", "scripted"))
    (made,) = environments(tmp_path)
    (made / "whole").unlink()  # as a kill in between leaves it
    shutil.rmtree(made / "bin")
    assert "its environment is ready" in said(elt("install", "scripted"))
    assert (made / "bin" / "python").exists()


def test_another_lock_file_makes_another_environment(elt, tmp_path: Path) -> None:
    said(elt("install", "scripted"))
    project = tmp_path / "connectors" / "source-scripted" / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    text = said(elt("install", "scripted"), code=2)
    assert "connector scripted 0.2.0: its environment cannot be made" in text
    assert "elt connectors lock scripted" in text
    said(elt("lock", "scripted"))
    assert "connector scripted 0.2.0: installed" in said(elt("install", "scripted"))
    assert len([path for path in environments(tmp_path) if (path / "whole").exists()]) == 2


def test_what_is_wrong_with_a_folder_is_said_with_its_file(elt, tmp_path: Path) -> None:
    project = tmp_path / "connectors" / "source-scripted" / "pyproject.toml"
    text = project.read_text()
    project.write_text(text.replace("command = ", "comand = "))
    assert f"{project}: [tool.elt.connector] lacks command" in said(elt("list"), code=2)
    project.write_text(text.replace('type = "scripted"', 'type = "faker"'))
    assert f"the type faker is also that of {FAKER}" in said(elt("list"), code=2)
    project.write_text(text.replace('["python"', '["pithon"'))
    assert "its environment has no command pithon" in said(elt("lock", "scripted"), code=2)
    project.write_text(text)
    (project.parent / "uv.lock").unlink()
    assert "uv.lock is missing — make it: elt connectors lock scripted" in said(
        elt("install", "scripted"), code=2
    )
    *ours, theirs = said(elt("install", "oracle"), code=2).partition("there is: ")[2].strip().split(", ")
    assert theirs == "scripted" and {"faker", "github", "rates", "s3", "web-events"} <= set(ours)


def test_the_recorded_specification_is_what_the_connector_answers(elt, tmp_path: Path) -> None:
    recorded = (SCRIPTED / "spec.json").read_text()
    (tmp_path / "connectors" / "source-scripted" / "spec.json").unlink()
    said(elt("lock", "scripted"))
    assert (tmp_path / "connectors" / "source-scripted" / "spec.json").read_text() == recorded
    assert set(json.loads((FAKER / "spec.json").read_text())["connectionSpecification"]["properties"]) == {
        "count", "seed", "records_per_slice", "always_updated", "parallelism",
    }  # fmt: skip


OWN = """
[project]
name = "source-own"
version = "1.0.0"
requires-python = ">=3.11"

[project.scripts]
source-own = "source_own:main"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.elt.connector]
type = "own"
name = "Own"
definition-id = "0d6f3f39-6f0b-4a55-8a3a-2f0f6f3c5f11"
command = ["source-own"]
"""
OWN_CODE = """
import json

def main():
    fields = {"FIELD": {"type": "string", "airbyte_secret": True}}
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"properties": fields}}}))
"""


def test_a_project_of_our_own_is_a_connector_whose_code_counts_at_once(elt, tmp_path: Path) -> None:
    folder = tmp_path / "connectors" / "source-own"
    (folder / "source_own").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(OWN)
    for field in ("key", "token"):  # the second time the environment is there already
        (folder / "source_own" / "__init__.py").write_text(OWN_CODE.replace("FIELD", field))
        said(elt("lock", "own"))
        assert list(
            json.loads((folder / "spec.json").read_text())["connectionSpecification"]["properties"]
        ) == [field]
    assert len(list((tmp_path / "home" / "connectors").glob("own-*/whole"))) == 1
