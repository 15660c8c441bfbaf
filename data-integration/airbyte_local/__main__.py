"""`python -m airbyte_local`: the server in the foreground."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from airbyte_local.api.app import create_app, limited
from airbyte_local.jobs.descendants import adopt_orphans
from airbyte_local.jobs.runner import SERVER_STOPPED, JobRunner
from airbyte_local.store import Store
from airbyte_local.vault import Tokens, Vault
from foundation.errors import EltError
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings


def only_one(home: Path) -> FileLock:
    """The lock that keeps a second server away from this home. Raises EltError when there is one already."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "server.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise EltError(f"another server uses {home}", "stop it, or give another --home") from None
    return lock


def serve(host: str, port: int, home: Path) -> None:
    """Serve until SIGTERM or SIGINT; then end the jobs."""
    sock = listen(host, port, "AIRBYTE_PORT", "the Airbyte server")
    lock = only_one(home)
    values = settings()
    # the jobs, which are processes of their own, find it there
    os.environ["AIRBYTE_LEASE_WAIT_SECONDS"] = f"{values.airbyte_lease_wait_seconds:g}"
    os.environ["AIRBYTE_JOB_MEMORY_MB"] = str(values.airbyte_job_memory_mb)
    key = values.airbyte_encryption_key.get_secret_value()
    store = Store(home / "airbyte.sqlite", Vault(key))
    store.jobs.end_orphans(SERVER_STOPPED)
    tokens = Tokens(values.airbyte_client_id, values.airbyte_client_secret.get_secret_value(), key)
    runner = JobRunner(store, home)
    app = create_app(store, runner, tokens)
    # uvicorn stops in order on these, then raises them again: that is not a failure
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: sys.exit(0))
    try:
        application = limited(app, instance(values.home, "airbyte"))
        uvicorn.Server(configured(application, timeout_graceful_shutdown=3)).run(sockets=[sock])
    finally:
        runner.stop()  # on a second interrupt uvicorn does not end the application
        store.close()
        lock.release()


def main() -> None:
    private()
    adopt_orphans()
    parser = argparse.ArgumentParser(prog="python -m airbyte_local", description=__doc__)
    parser.add_argument("--host", default=None, help="default: LISTEN_HOST")
    parser.add_argument("--port", type=int, default=None, help="default: AIRBYTE_PORT")
    parser.add_argument("--home", type=Path, default=None, help="default: airbyte/ under ELT_HOME")
    options = parser.parse_args()
    try:
        port = options.port or settings().airbyte_port
        serve(
            options.host or settings().listen_host,
            port,
            (options.home or settings().home / "airbyte").resolve(),
        )
    except EltError as error:
        print(f"airbyte_local: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
