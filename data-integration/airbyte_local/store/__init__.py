"""Configuration and job history in one SQLite file: a room per resource, each with its row as a type.

A row that is missing is None.
"""

from __future__ import annotations

from pathlib import Path

from airbyte_local.store.actors import Actor, Actors
from airbyte_local.store.connections import Connection, Connections
from airbyte_local.store.database import Database
from airbyte_local.store.jobs import ActiveJobError, Job, Jobs
from airbyte_local.store.tags import Tag, Tags, TakenError
from airbyte_local.store.workspaces import Workspace, Workspaces
from airbyte_local.vault import Vault

__all__ = [
    "ActiveJobError",
    "Actor",
    "Connection",
    "Job",
    "Store",
    "Tag",
    "TakenError",
    "Workspace",
]


class Store:
    """What the server knows. Raises EltError when the file at `path` is damaged, another program's, or of a newer version."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self.path = path
        self._db = Database(path, vault)
        self.workspaces = Workspaces(self._db)
        self.actors = Actors(self._db, vault)
        self.connections = Connections(self._db)
        self.tags = Tags(self._db)
        self.jobs = Jobs(self._db)
        self._vault = vault

    def close(self) -> None:
        self._db.close()

    def seal(self, text: str) -> str:
        """A secret within a connection, as it is kept."""
        return self._vault.seal(text).decode()

    def unseal(self, sealed: str) -> str:
        text: str = self._vault.open(sealed.encode())
        return text
