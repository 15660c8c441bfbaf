"""The cluster that a run starts: its pages, which show logs and end jobs, are nobody's."""

from __future__ import annotations

from pathlib import Path

import httpx
import psutil
import pytest

from spark.cluster import Workers, cluster, environment, settings_of, write_configuration
from spark.environment import install, java
from tests.fixtures.waiting import wait_until


def ports(process: psutil.Process) -> set[int]:
    """On which it and its children listen; all are on this machine alone."""
    found = [
        one.laddr
        for each in (process, *process.children(recursive=True))
        for one in each.net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in found} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    return {address.port for address in found}


@pytest.mark.threat("another user of the machine")
def test_nobody_sees_the_pages_of_a_cluster_or_ends_its_jobs(tmp_path: Path) -> None:
    workers, jars = Workers(1, 512), install()
    write_configuration(tmp_path, settings_of(workers, jars))
    environ = environment(java(), tmp_path, {})
    with cluster(workers, environ, tmp_path) as running:
        daemons = [psutil.Process(part.pid) for part in running.parts]
        wait_until(lambda: all(len(ports(each)) == 2 for each in daemons), 60)  # its own, and its pages'
        answers = {}
        for port in {port for each in daemons for port in ports(each)}:
            for method, path in (("GET", "/"), ("GET", "/json/"), ("POST", "/app/kill/?id=1&terminate=true")):
                try:
                    answers[port, path] = httpx.request(
                        method, f"http://127.0.0.1:{port}{path}", timeout=10
                    ).status_code
                except httpx.HTTPError:  # it speaks no HTTP
                    continue
        assert len(answers) == 6 and set(answers.values()) == {403}, answers
