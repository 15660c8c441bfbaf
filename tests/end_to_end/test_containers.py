"""The stack in containers on a Docker engine, by the commands of docs/production.md. Slow; skipped where there is no engine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from dashboards.browser import browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import ROOT
from tests.fixtures.clones import Clone
from tests.fixtures.stack import PORTS, clean_environ, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PAGE = ROOT / "docs/production.md"
BLOCK = re.compile(r"^```sh\n(echo COMPOSE_PROFILES=local > \.env\n.*?)^```", re.S | re.M)


@dataclass(frozen=True)
class Containers:
    """A clone whose `docker compose` has a project, ports and images of its own."""

    clone: Clone
    environ: dict[str, str]
    ports: dict[str, str]

    def shell(self, command: str) -> str:
        """What a command prints; it has to succeed."""
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.clone.root, env=self.environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        return done.stdout

    def elt(self, words: str) -> str:
        return self.shell(f"docker compose exec airflow-scheduler elt {words}")

    def secret(self, name: str) -> str:
        kept = self.shell("docker compose exec airflow-scheduler cat /state/secrets.env")
        return dict(line.split("=", 1) for line in kept.splitlines())[name]


@pytest.fixture
def containers(clone: Clone) -> Iterator[Containers]:
    """Without volumes and images afterwards."""
    for asked in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            answer = subprocess.run(asked, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no docker on this machine")
        if answer.returncode:
            pytest.skip(f"{' '.join(asked)}: {answer.stderr.strip()}")
    project = f"elt-{uuid4().hex[:8]}"
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    images = {"ELT_IMAGE": f"{project}/elt:test", "SUPERSET_IMAGE": f"{project}/superset:test"}
    found = Containers(clone, clean_environ() | {"COMPOSE_PROJECT_NAME": project}, ports)
    settings = ports | images | {"AW_SCALE": "0.05", "ELT_SCHEDULE": "manual"}
    (clone.root / "settings").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    yield found
    found.shell("docker compose down --volumes --rmi all --timeout 20")


def test_the_commands_of_the_page_give_a_stack_that_publishes_and_starts_again(containers: Containers):
    [block] = BLOCK.findall(PAGE.read_text())
    first, *others = block.splitlines()
    containers.shell(f"{first} && cat settings >> .env")
    for command in others:
        printed = containers.shell(command)
    assert re.search(r"success .* publish\n", printed), printed

    assert "docker compose ps" in containers.elt("status")
    assert "source and raw are equal" in containers.elt("airbyte verify")
    assert len(re.findall(r"^\W*v\d+ ", containers.elt("publish --list"), re.M)) == 1
    states = [json.loads(line) for line in containers.shell("docker compose ps --format json").splitlines()]
    assert len(states) >= 9 and {state["Health"] for state in states} == {"healthy"}
    if find_browser():
        with browser(f"http://127.0.0.1:{containers.ports['SUPERSET_PORT']}") as context:
            page = login(context, "analyst", containers.secret("SUPERSET_ANALYST_PASSWORD"))
            opened = open_dashboard(page, "sales-overview", charts_of(load("duckdb"), "sales_overview"))
            assert opened.failures() == [] and "$" in opened.text("Revenue")

    containers.shell("docker compose down")
    containers.shell("docker compose up --detach --wait")
    assert re.search(r"success .* publish\n", containers.elt("run"))
    assert len(re.findall(r"^\W*v\d+ ", containers.elt("publish --list"), re.M)) == 2
