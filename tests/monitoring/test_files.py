"""The project's files, judged by the tools of Prometheus and Alertmanager themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stack.monitoring import FILES
from tests.fixtures.stack import Stack

DASHBOARDS = sorted((FILES / "grafana").glob("*.json"))


def judged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], capture_output=True, text=True)


def test_the_configurations_are_right_and_hold_no_secret(written: Stack) -> None:
    place, config = written.home / "monitoring", written.settings
    for words in (
        ("promtool", "check", "config", place / "prometheus.yml"),
        ("promtool", "check", "web-config", place / "web.yml"),
        ("amtool", "check-config", place / "alertmanager.yml"),
    ):
        done = judged(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    secrets = {config.monitoring_password.get_secret_value(), config.slack_webhook_token.get_secret_value()}
    for file in place.rglob("*"):
        if file.is_file():
            assert file.stat().st_mode & 0o077 == 0
            assert file.name in ("password", "slack_url") or not any(s in file.read_text() for s in secrets)
    assert (
        config.elt_environment
        in yaml.safe_load((place / "prometheus.yml").read_text())["global"]["external_labels"].values()
    )


def test_a_wrong_rule_is_found(tmp_path: Path) -> None:
    rule = (FILES / "rules" / "machine.yml").read_text().replace("elt_up == 0", "elt_up === 0")
    (tmp_path / "machine.yml").write_text(rule)
    assert judged("promtool", "check", "rules", tmp_path / "machine.yml").returncode == 1


@pytest.mark.parametrize("file", sorted((FILES / "tests").glob("*.yml")), ids=lambda file: file.name)
def test_alerts_fire_when_they_should_and_not_else(file: Path) -> None:
    done = judged("promtool", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_every_expression_of_a_dashboard_is_promql(file: Path, tmp_path: Path) -> None:
    """As rules, which Prometheus parses; Grafana puts a span in the place of `$__rate_interval`."""
    expressions = [
        target["expr"].replace("$__rate_interval", "5m")
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    assert expressions
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = judged("promtool", "check", "rules", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
