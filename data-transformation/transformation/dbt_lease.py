"""The warehouse lease for every dbt process: `elt build`, Cosmos, or dbt typed by hand.

A dbt-duckdb plugin (named in `profiles.yml`). dbt-duckdb calls it right before it opens the file, so `dbt parse` and
`dbt ls`, which open nothing, need no lease. dbt keeps the file open until its process ends, and so the lease.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags
from dbt_common.exceptions import DbtRuntimeError
from filelock import FileLock

from foundation.errors import EltError
from foundation.lease import acquire
from foundation.settings import settings
from foundation.warehouse import wait_until_writable

_held: dict[Path, FileLock] = {}


def hold(warehouse: Path, owner: str, wait_seconds: float = 60.0) -> None:
    """Take the lease for the rest of this process; a process that has it already keeps it.

    A program that has the file open without a lease is waited for, too. Raises WarehouseInUseError, naming the present
    owner, when the warehouse is not free within `wait_seconds`.
    """
    if warehouse in _held:
        return
    deadline = time.monotonic() + wait_seconds
    lock = acquire(warehouse, owner, wait_seconds)
    try:
        if warehouse.exists():
            wait_until_writable(warehouse, deadline)
    except BaseException:
        lock.release()
        raise
    _held[warehouse] = lock


class Plugin(BasePlugin):
    """Resolves the warehouse's path and takes its lease before dbt opens it."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """`wait_seconds`: how long dbt waits for another writer."""
        self.wait_seconds = float(plugin_config["wait_seconds"])

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Called with the profile's credentials before `duckdb.connect`; a relative path counts from `ELT_HOME`."""
        if creds.path == ":memory:":
            return
        warehouse = settings().home / creds.path
        creds.path = str(warehouse)
        try:
            hold(warehouse, f"dbt {get_flags().WHICH}", self.wait_seconds)
        except EltError as error:
            raise DbtRuntimeError(str(error)) from None
