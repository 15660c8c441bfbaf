"""`python -m streaming.registry`: the registry in the foreground, as supervisord runs it."""

from __future__ import annotations

import signal
import time

import uvicorn

from foundation.errors import EltError, one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from streaming.registry.api import LARGEST, Api
from streaming.registry.store import Store, UnavailableError, pool

PATIENCE_SECONDS = 30.0  # for the database, which may start at the same time


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with one_line("registry"):
        config = settings()
        listener = listen(
            config.listen_host, config.stream_registry_port, "STREAM_REGISTRY_PORT", "the schema registry"
        )
        with pool(config) as connections:
            store = Store(connections)
            prepare(store)
            api = Api(store, config.stream_registry_user, config.stream_registry_password.get_secret_value())
            print(f"registry: on {config.listen_host}:{config.stream_registry_port}", flush=True)
            application = Limited(
                api.app, body=LARGEST, admitted=api.knows, instance=instance(config.home, "registry")
            )
            uvicorn.Server(configured(application, timeout_graceful_shutdown=2)).run(sockets=[listener])


def prepare(store: Store) -> None:
    """Make the tables, as soon as the database lets us in. Raises EltError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            store.prepare()
            return
        except UnavailableError as error:
            if time.monotonic() > deadline:
                raise EltError(
                    f"the registry's database does not answer: {error}", "elt up postgres, then try again"
                ) from None
            time.sleep(0.2)


if __name__ == "__main__":
    main()
