"""`python -m web_site`: the site in the foreground, as supervisord runs it."""

from __future__ import annotations

import signal

import uvicorn

from foundation.errors import one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited, bearer
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from web_site.api import Api
from web_site.log import Log


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with one_line("web"):
        config = settings()
        listener = listen(config.listen_host, config.web_port, "WEB_PORT", "the web site")
        log = Log(config.home / "web" / "events.duckdb", config, seed=config.web_seed, late=config.web_faults)
        log.grow()
    api = Api(
        log,
        config.web_api_token.get_secret_value(),
        calls_per_minute=config.web_calls_per_minute,
        faults=config.web_faults,
    )
    print(f"web: events on {config.listen_host}:{config.web_port}", flush=True)
    application = Limited(
        api.app, admitted=lambda scope: api.knows(bearer(scope)), instance=instance(config.home, "web")
    )
    server = uvicorn.Server(configured(application, timeout_graceful_shutdown=2))
    server.run(sockets=[listener])
    log.close()


if __name__ == "__main__":
    main()
