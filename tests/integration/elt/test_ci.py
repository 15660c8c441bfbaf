"""`elt ci …` in scratch clones: what a change makes run, and each thing that fails it with one clear line."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from elt.check import BIN
from elt.ci import changed
from elt.ci.tools import LOCKS, security_commands
from tests.fixtures.clones import Clone

MODELS = "data-transformation/models"
VENDOR = f"{MODELS}/marts/dim_vendor"


def failures(done) -> list[str]:
    """The lines that say why it failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    return [
        line.removeprefix("elt ci dbt: ")
        for line in done.stderr.splitlines()
        if line.startswith("elt ci dbt: ")
    ]


@pytest.mark.slow  # builds twice; each pull request does so, too
def test_one_changed_model_runs_with_its_children_and_the_rest_is_deferred(
    clone: Clone, tmp_path: Path
) -> None:
    clone.replace(f"{VENDOR}.sql", "from vendors\n", "from vendors\n    where vendor_id > 1500\n")
    clone.git("commit", "--quiet", "--all", "--message", "fewer vendors")
    comment = tmp_path / "comment.md"
    done = clone.ci("--comment", str(comment))
    assert done.returncode == 0, done.stdout + done.stderr
    text = comment.read_text()
    assert text in done.stdout
    (manifest,) = clone.cache.glob("*/state/manifest.json")
    kinds = [node["resource_type"] for node in json.loads(manifest.read_text())["nodes"].values()]
    others = sum(kind in ("model", "seed", "snapshot") for kind in kinds) - 3
    assert others > 80
    assert f"1 changed, 2 after them built; {others} others deferred to the base, not run." in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert [(row[0], row[1]) for row in rows] == [
        ("| `dim_vendor`", "changed"),
        ("| `fct_purchases`", "after it"),
        ("| `mart_data_quality`", "after it"),
    ]
    before, now, difference = (int(cell.replace(",", "")) for cell in rows[0][2:5])
    assert difference == now - before < 0
    assert "Dashboards that show them: Data quality, Purchasing and production." in text
    assert "pass" in text.partition("Tests: ")[2]
    assert clone.git("worktree", "list").count("\n") == 1  # the base's is gone
    assert not (clone.root / "data-transformation" / "target").exists()


def test_unformatted_file_and_leaked_key_fail_each_with_a_line(clone: Clone) -> None:
    """No model changed: nothing is built."""
    (clone.root / "infrastructure" / "new.py").write_text("x = {  'a':1 }\n")
    key = "AKIA" + "Z7QWERTYUIOPASDF"
    (clone.root / "docs" / "notes.md").write_text(f"first\naws_access_key_id = {key}\n")
    done = clone.ci()
    assert [line.partition(" — ")[0] for line in failures(done)] == [
        "infrastructure/new.py: not formatted",
        "docs/notes.md, line 2: looks like a secret (AWS Access Key)",
    ]
    assert key not in done.stdout + done.stderr
    assert "no model ran" in done.stdout

    (clone.root / "infrastructure" / "new.py").unlink()
    assert len(failures(clone.ci())) == 1
    (clone.root / "docs" / "notes.md").unlink()
    assert clone.ci().returncode == 0


def test_base_that_is_not_there_is_reported_with_the_remedy(clone: Clone) -> None:
    done = clone.elt("ci", "dbt", "--base", "origin/main")
    assert done.returncode == 2
    assert done.stderr.startswith("elt: --base origin/main: there is no such commit here")


@pytest.mark.slow
def test_broken_model_is_named_and_what_comes_after_it_is_not_built(clone: Clone) -> None:
    clone.replace(f"{VENDOR}.sql", "        is_active,\n", "        is_actve as is_active,\n")
    done = clone.ci()
    (line,) = failures(done)
    assert line.startswith(f"{VENDOR}.sql: model dim_vendor: ")
    assert "is_actve" in line
    assert "| `fct_purchases` | after it |" in done.stdout and "| not built |" in done.stdout


@pytest.mark.slow
def test_model_that_refers_to_nothing_is_reported_in_a_line(clone: Clone) -> None:
    clone.replace(f"{VENDOR}.sql", "ref('stg_vendors')", "ref('stg_vendor')")
    (line,) = failures(clone.ci())
    assert line.startswith("dbt could not read the project: ")
    assert "dim_vendor" in line and "stg_vendor'" in line


@pytest.mark.slow
def test_dropped_column_that_a_dashboard_uses_is_named(clone: Clone) -> None:
    """Dropped as it should be, in the model and in its contract: dbt alone would find nothing wrong."""
    clone.replace(f"{VENDOR}.sql", "        is_preferred,\n", "")
    clone.replace(f"{VENDOR}.sql", "        cast(null as boolean) as is_preferred,\n", "")
    described = (clone.root / f"{VENDOR}.yml").read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(described) if "name: is_preferred" in line)
    (clone.root / f"{VENDOR}.yml").write_text("".join(described[:at] + described[at + 3 :]))
    done = clone.ci()
    (line,) = failures(done)
    assert line.startswith("dashboards: infrastructure/preset/datasets/purchases.yaml, line")
    assert "is_preferred" in line
    assert "− is_preferred" in done.stdout


@pytest.mark.slow
def test_failing_unit_test_is_named(clone: Clone) -> None:
    model = f"{MODELS}/marts/dim_employee"
    name = next(
        line.split("name: ")[1]
        for line in (clone.root / f"{model}.yml").read_text().partition("unit_tests:")[2].splitlines()
        if "- name: " in line
    )
    text = (clone.root / f"{model}.yml").read_text()
    given, expect, expected = text.partition("    expect:")
    assert "Rob Walters" in expected
    (clone.root / f"{model}.yml").write_text(
        given + expect + expected.replace("Rob Walters", "Bob Walters", 1)
    )
    lines = failures(clone.ci())
    assert [line.split(": ")[1] for line in lines] == [f"unit test {name} of dim_employee"]


def test_sbom_holds_all_that_is_locked_for_use_with_its_digests(cloned_once: Clone, tmp_path: Path) -> None:
    done = cloned_once.elt("ci", "sbom", "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    root = cloned_once.root
    for name, lock in {"adventureworks-elt": root, "superset": root / "infrastructure" / "superset"}.items():
        bom = json.loads((tmp_path / f"{name}.cdx.json").read_text())
        assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
        locked = {p["name"]: p["version"] for p in tomllib.loads((lock / "uv.lock").read_text())["package"]}
        listed = {each["name"]: each for each in bom["components"]}
        assert len(listed) > 100
        assert {n: each["version"] for n, each in listed.items()}.items() <= locked.items()
        for each in listed.values():
            assert each["purl"].startswith("pkg:pypi/")
            assert all(file["hashes"] for file in each["externalReferences"])
        assert "duckdb" in listed and not listed.keys() & {"pytest", "black"}


def move_a_known_one(clone: Clone) -> str:
    """The baseline once the texts that are no secrets have moved to other lines."""
    known = json.loads((clone.root / ".secrets.baseline").read_text())["results"]
    moved = next(name for name in known if name.endswith(".py"))
    (clone.root / moved).write_text("\n" + (clone.root / moved).read_text())
    return moved


def test_what_is_known_to_be_no_secret_may_move(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "ROOT", clone.root)
    moved = move_a_known_one(clone)
    assert changed.leaked([moved]) == []
    with (clone.root / moved).open("a") as file:
        file.write("KEY = 'AKIA" + "Z7QWERTYUIOPASDF'\n")
    [line] = changed.leaked([moved])
    assert line.startswith(f"{moved}, line ") and "looks like a secret (AWS Access Key)" in line


@pytest.mark.slow
def test_code_workflows_and_files_have_no_known_weak_spot(clone: Clone) -> None:
    move_a_known_one(clone)
    done = clone.elt("ci", "security", "--offline")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.slow
def test_each_weak_spot_fails_its_tool(clone: Clone) -> None:
    (clone.root / "infrastructure" / "weak.py").write_text("import pickle\n\npickle.loads(b'')\n")
    workflow = clone.root / ".github" / "workflows" / "weak.yml"
    workflow.write_text(
        "on: pull_request_target\njobs: {a: {runs-on: x, steps: [{uses: actions/checkout@v4}]}}\n"
    )
    (clone.root / "docs" / "notes.md").write_text("aws_access_key_id = AKIA" + "Z7QWERTYUIOPASDF\n")
    done = clone.elt("ci", "security", "--offline")
    assert done.returncode == 1
    assert "elt ci security: failed: bandit, zizmor, secrets" in done.stderr


def test_every_locked_file_can_be_audited(tmp_path: Path) -> None:
    """All that the audit would ask about is pinned and has its digest; asking itself needs the package index."""
    audits = [each for each in security_commands(tmp_path) if each.words[0] == "pip-audit"]
    assert [audit.title.removeprefix("known vulnerabilities: ") for audit in audits] == list(LOCKS)
    for audit in audits:
        words = [BIN / audit.words[0], *audit.words[1:], "--dry-run"]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "would have audited" in done.stderr
