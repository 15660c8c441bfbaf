"""`python -m streaming.launch streaming.clickhouse`: the engine and its front in the foreground, in the environment that has the engine."""

from __future__ import annotations

import signal

import uvicorn
from starlette.datastructures import Headers

from foundation.errors import one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from streaming.clickhouse.accounts import accounts
from streaming.clickhouse.api import BODY_BYTES, Front
from streaming.clickhouse.engine import Engine

AT_ONCE = 16


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    with one_line("clickhouse"):
        config = settings()
        listener = listen(
            config.listen_host, config.stream_clickhouse_port, "STREAM_CLICKHOUSE_PORT", "ClickHouse"
        )
        engine = Engine(config.home / "stream" / "clickhouse", config.stream_clickhouse_database)
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


if __name__ == "__main__":
    main()
