"""The workflows: pinned, with the least that they need, and nothing that runs only there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from elt.check import BIN
from foundation.settings import ROOT
from tests.fixtures import warm

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
USES = re.compile(r"uses: (\S+)(?: # (v\d+\.\d+\.\d+))?")
SCHEMAS = {
    "vendor.github-workflows": "workflows/*.yml",
    "vendor.github-actions": "actions/*/action.yml",
    "vendor.dependabot": "dependabot.yml",
}


def jobs() -> list[tuple[str, dict]]:
    """(file and name, definition) of every job that runs steps."""
    read = {path.name: yaml.safe_load(path.read_text()) for path in WORKFLOWS}
    return [
        (f"{file}: {name}", job)
        for file, workflow in read.items()
        for name, job in workflow["jobs"].items()
        if "steps" in job
    ]


def test_every_action_is_pinned_to_a_commit_whose_version_is_noted() -> None:
    used = [
        found
        for path in [*WORKFLOWS, *GITHUB.glob("actions/*/action.yml")]
        for found in USES.findall(path.read_text())
        if not found[0].startswith("./")
    ]
    assert len(used) > 20
    for action, version in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) and version, action
    assert len({action.partition("@")[0] for action, _ in used}) == len(set(used))  # one version of each


def test_every_job_has_a_limit_and_its_own_permissions() -> None:
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text())["permissions"] == {}, path.name
    for name, job in jobs():
        assert job["timeout-minutes"] <= 180, name
        writes = {scope for scope, right in job["permissions"].items() if right == "write"}
        allowed = {"ci.yml: comment": {"pull-requests"}, "cd.yml: image": {"id-token"}}
        assert writes == allowed.get(name, {"id-token"} if name == "deploy.yml: deploy" else set()), name


def test_pull_requests_see_no_secret() -> None:
    text = (GITHUB / "workflows" / "ci.yml").read_text()
    assert "secrets." not in text and "pull_request_target" not in text


def test_every_elt_verb_of_a_workflow_is_there() -> None:
    verbs = {
        verb
        for path in WORKFLOWS
        for verb in re.findall(r"\.venv/bin/elt ((?:[a-z]+ ?){1,2})", path.read_text())
    }
    assert {"ci dbt ", "ci security", "airbyte apply", "dashboards push ", "run"} <= verbs
    for verb in sorted(verbs):
        words = ["check"] if verb.startswith("check") else verb.split()
        done = warm.run("elt", *words, "--help", environ=os.environ)
        assert done.returncode == 0, f"elt {verb}: {done.stderr}"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_follow_their_schema(schema: str) -> None:
    files = sorted(GITHUB.glob(SCHEMAS[schema]))
    words = [BIN / "check-jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(words, capture_output=True, text=True)
    assert files and done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(tmp_path: Path) -> None:
    words = [BIN / "zizmor", "--offline", "--quiet", "--no-progress"]
    done = subprocess.run([*words, GITHUB], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

    weak = tmp_path / ".github" / "workflows" / "weak.yml"
    weak.parent.mkdir(parents=True)
    weak.write_text(
        (GITHUB / "workflows" / "ci.yml").read_text().replace("pull_request:", "pull_request_target:")
    )
    assert subprocess.run([*words, tmp_path], capture_output=True).returncode != 0
