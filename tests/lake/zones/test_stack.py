"""The store as a part of the stack: where a source lands in the lake, on 127.0.0.1 alone, and nothing is left of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.fixtures.lake import Lake, inner_ports
from tests.fixtures.stack import Stack
from tests.fixtures.waiting import wait_until
from tests.lake.zones.small import Writer

CONNECTION = """
name: {name}
source: adventureworks
destination: {destination}
streams:
  - {{namespace: sales, name: store, syncMode: full_refresh_append}}
"""


def connections(folder: Path, name: str, destination: str) -> dict[str, str]:
    """Settings that put a source in use whose connection has that destination."""
    (folder / "connections").mkdir(parents=True)
    file = folder / "connections" / f"{name}.yaml"
    file.write_text(CONNECTION.format(name=name, destination=destination))
    return {"ELT_SOURCES": f"adventureworks,{name}", "ELT_CONNECTIONS": str(folder)}


def test_the_store_is_no_part_where_no_source_lands_in_it(
    make_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack = make_stack("no lake", **connections(tmp_path_factory.mktemp("files"), "elsewhere", "warehouse"))
    done = stack.elt("up", "lake")
    assert done.returncode == 2
    assert "no part is named 'lake' — put a source in use whose connection lands there" in done.stderr


def test_the_store_runs_on_this_machine_alone_and_keeps_what_it_has(
    make_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    files = tmp_path_factory.mktemp("files")
    stack = make_stack("lake", **connections(files, "shop", "lake"), LAKE_INNER_PORT=str(inner_ports()))
    ports = stack.environ
    done = stack.elt("up", "lake")
    assert done.returncode == 0, done.stderr
    assert f"http://127.0.0.1:{ports['LAKE_PORT']} (S3)" in done.stdout
    (store,) = [one for one in stack.processes() if one.name() == "weed"]
    listening = {one.laddr for one in store.net_connections() if one.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {
        int(ports["LAKE_PORT"]),
        int(ports["LAKE_CATALOG_PORT"]),
        *range(int(ports["LAKE_INNER_PORT"]), int(ports["LAKE_INNER_PORT"]) + 7),
    }
    secret = stack.settings.lake_secret_access_key.get_secret_value()
    assert secret not in " ".join(store.cmdline())
    assert not any(name.startswith(("SOURCE_", "AIRBYTE_", "AIRFLOW_")) for name in store.environ())
    assert httpx.get(f"http://127.0.0.1:{ports['LAKE_PORT']}/elt-lake?list-type=2").status_code == 403

    lake = Lake(stack.environ, tmp_path / "log")
    writer = Writer(lake)
    writer.write((1, "before"))
    store.kill()
    wait_until(lambda: stack.elt("up", "lake").returncode == 0 and not store.is_running(), 60)
    writer.write((2, "after"))
    loaded = stack.elt("lake", "load", "small")
    assert (loaded.returncode, loaded.stdout.split(",")[:2]) == (0, ["small: 2 commits", " 2 rows"])
    assert "2 tables" not in (said := stack.elt("lake", "status").stdout) and "2 rows in 2 files" in said
    assert "2 files are 1 now" in stack.elt("lake", "compact", "small", "--whole").stdout
    assert stack.elt("lake", "publish").stdout == "shop.items: 0 files\n"
    assert stack.elt("lake", "replay", "small").stdout.startswith("small: 2 commits, 2 rows")
    unknown = stack.elt("lake", "load", "nobody")
    assert unknown.returncode == 2 and "has nothing of a connection nobody" in unknown.stderr
    assert secret not in (stack.home / "logs" / "lake.log").read_text()
    assert stack.elt("down").returncode == 0
    assert not stack.processes()
    away = stack.elt("lake", "status")
    assert away.returncode == 2 and "can't be reached" in away.stderr and "elt up lake" in away.stderr
