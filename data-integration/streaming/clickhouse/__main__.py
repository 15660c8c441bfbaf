"""`python -m streaming.launch streaming.clickhouse`: the engine and its front in the foreground, in the environment that has the engine."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import uvicorn
from starlette.datastructures import Headers

from foundation.errors import one_line
from foundation.fence import fence
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from streaming.clickhouse.accounts import accounts
from streaming.clickhouse.api import BODY_BYTES, Front
from streaming.clickhouse.engine import Engine
from streaming.environment import PACKAGES

AT_ONCE = 16
# what the engine looks at of this machine: how much memory and how many processors there are
MACHINE = (
    *("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/self/statm"),
    *("/proc/self/stat", "/proc/self/status", "/sys/fs/cgroup", "/sys/devices/system", "/etc/localtime"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/lib", "/lib64"),
)


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    with one_line("clickhouse"):
        config = settings()
        listener = listen(
            config.listen_host, config.stream_clickhouse_port, "STREAM_CLICKHOUSE_PORT", "ClickHouse"
        )
        folder = config.home / "stream" / "clickhouse"
        shut_in(folder)
        engine = Engine(folder, config.stream_clickhouse_database)
    # the engine has set handlers of its own
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    front = Front(engine, accounts(config))
    application = Limited(
        front.app,
        body=BODY_BYTES,
        admitted=lambda scope: front.knows(Headers(scope=scope)),
        at_once=AT_ONCE,
        instance=instance(config.home, "clickhouse"),
    )
    print(f"clickhouse: on {config.listen_host}:{config.stream_clickhouse_port}", flush=True)
    uvicorn.Server(configured(application, timeout_graceful_shutdown=5)).run(sockets=[listener])
    engine.close()


def shut_in(folder: Path) -> None:
    """Let the engine reach its own folder alone, whatever a statement asks: it is a library, which reads what this process can read."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)
    programs = (Path(place) for place in (sys.prefix, sys.base_prefix, *PACKAGES))
    if not fence([*programs, *map(Path, MACHINE)], [folder]):
        print(
            "clickhouse: this kernel has no Landlock: only the words of a statement are looked at", flush=True
        )


if __name__ == "__main__":
    main()
