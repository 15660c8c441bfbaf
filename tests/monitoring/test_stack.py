"""The part `monitoring` of a stack: a part that goes down is a message in Slack, and so is its return."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from stack.sink import messages_file
from tests.fixtures.stack import Stack
from tests.fixtures.waiting import wait_until


def test_it_is_no_part_where_it_is_not_in_use(make_stack: Callable[..., Stack]) -> None:
    done = make_stack("no monitoring").elt("up", "monitoring")
    assert done.returncode == 2
    assert "no part is named 'monitoring' — put it in use: MONITORING=on in .env" in done.stderr


def test_without_prometheus_it_says_so_in_one_line_and_the_rest_works(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    for word in ("env", "sh", "git"):
        found = next(each for each in (Path("/usr/bin") / word, Path("/bin") / word) if each.exists())
        (tmp_path / word).symlink_to(found)
    stack = make_stack("no prometheus", MONITORING="on", PATH=str(tmp_path))
    done = stack.elt("up", "monitoring")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "prometheus is not on this machine — apt-get install" in done.stderr
    assert stack.elt("up", "sink").returncode == 0
    alone = stack.elt("down").returncode, stack.elt("up", "monitoring", MONITORING="exporter").returncode
    assert alone == (0, 0)


def messages(stack: Stack) -> list[str]:
    return [json.loads(line)["text"] for line in messages_file(stack.home).read_text().splitlines()]


def test_a_part_that_goes_down_is_told_to_slack_and_so_is_its_return(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack("monitoring", MONITORING="on", ELT_ENVIRONMENT="a test")
    done = stack.elt("up", "airbyte", "monitoring")
    assert done.returncode == 0, done.stderr
    config = stack.settings
    login = (config.monitoring_user, config.monitoring_password.get_secret_value())
    ports = config.exporter_port, config.prometheus_port, config.alertmanager_port
    paths = "metrics", "api/v1/targets", "api/v2/status"
    for port, path in zip(ports, paths, strict=True):
        address = f"http://127.0.0.1:{port}/{path}"
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, auth=(login[0], "wrong")).status_code == 401
        assert httpx.get(address, auth=login).status_code == 200

    def value(query: str) -> float | None:
        answer = httpx.get(
            f"http://127.0.0.1:{config.prometheus_port}/api/v1/query", params={"query": query}, auth=login
        )
        found = answer.raise_for_status().json()["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    wait_until(lambda: value('elt_up{part="airbyte"}') == 1, 60)
    assert value("up") == 1 and value('elt_program_memory_bytes{program="prometheus"}') < 256 << 20
    assert stack.elt("down", "airbyte").returncode == 0
    wait_until(lambda: messages_file(stack.home).read_text(), 240)
    [said] = messages(stack)
    assert said.startswith(":rotating_light: a test: ")
    assert "*PartDown*: airbyte does not answer — `elt status`" in said
    wait_until(lambda: any("ProgramDown*: airbyte does not run" in each for each in messages(stack)), 240)
    assert stack.elt("up", "airbyte").returncode == 0
    wait_until(lambda: messages(stack)[-1].startswith(":large_green_circle: a test: 0 firing"), 420)
    assert "over: *PartDown*: airbyte does not answer" in "".join(messages(stack))

    listening = {
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    secrets = {login[1], config.slack_webhook_token.get_secret_value()}
    said_by_system = " ".join(word for process in stack.processes() for word in process.cmdline())
    logs = "".join(path.read_text(errors="replace") for path in (stack.home / "logs").glob("*.log"))
    assert not any(secret in said_by_system + logs for secret in secrets)
    assert stack.elt("down").returncode == 0
    assert stack.processes() == []
