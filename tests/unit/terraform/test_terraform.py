"""Terraform's own word on its files, and checkov's, where the programs are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.settings import ROOT

TERRAFORM = ROOT / "infrastructure/terraform"
CHECKOV = "checkov==3.3.30"  # in an environment of its own: its pins are not ours

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not on this machine"
)


def run(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"} | variables
    return subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The files, where terraform may leave its own next to them."""
    target = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(TERRAFORM, target, ignore=shutil.ignore_patterns(".terraform*"))
    return target


def initialised(folder: Path) -> None:
    """`terraform init` without a backend; skips where the provider can't be had."""
    done = run("terraform", "init", "-backend=false", "-no-color", "-input=false", cwd=folder)
    if done.returncode and "provider" in done.stderr and "registry" in done.stderr:
        pytest.skip("the AWS provider can't be fetched here")
    assert done.returncode == 0, done.stderr


@needs_terraform
def test_the_files_have_terraforms_own_format(copy):
    done = run("terraform", "fmt", "-check", "-diff", "-recursive", cwd=copy)
    assert done.returncode == 0, done.stdout


@needs_terraform
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["environments/staging", "environments/production", "state"])
def test_an_environment_is_valid(copy, folder):
    initialised(copy / folder)
    done = run("terraform", "validate", "-no-color", cwd=copy / folder)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_terraform
@pytest.mark.slow
def test_plans_keep_the_modules_promises(copy):
    initialised(copy / "modules/platform")
    done = run("terraform", "test", "-no-color", cwd=copy / "modules/platform")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed, 0 failed" in done.stdout


@pytest.mark.slow
def test_checkov_finds_nothing_that_is_not_explained():
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    checkov = [uv, "tool", "run", "--quiet", "--from", CHECKOV, "checkov"]
    if run(*checkov, "--version", cwd=ROOT).returncode:
        pytest.skip(f"{CHECKOV} can't be installed here")
    quiet = ["--skip-download", "--quiet", "--compact"]
    for framework, folder in (("terraform", "terraform"), ("dockerfile", "docker")):
        done = run(*checkov, *quiet, "--framework", framework, "-d", f"infrastructure/{folder}", cwd=ROOT)
        assert done.returncode == 0, done.stdout[-5000:]
