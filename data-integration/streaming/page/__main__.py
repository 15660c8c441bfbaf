"""`python -m streaming.page`: the page's tokens in the foreground; nginx, before it, is `python -m streaming.page.nginx`."""

from __future__ import annotations

import signal

import uvicorn

from foundation.errors import one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from streaming.page.tokens import Tokens


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with one_line("page"):
        config = settings()
        listener = listen(
            config.listen_host, config.stream_token_port, "STREAM_TOKEN_PORT", "the page's tokens"
        )
    application = Limited(Tokens(config).app, instance=instance(config.home, "page"))
    print(f"page: tokens on {config.listen_host}:{config.stream_token_port}", flush=True)
    uvicorn.Server(configured(application, timeout_graceful_shutdown=2)).run(sockets=[listener])


if __name__ == "__main__":
    main()
