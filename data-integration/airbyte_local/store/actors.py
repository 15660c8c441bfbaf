"""Sources and destinations; their configurations are encrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airbyte_local.enums import ActorKind
from airbyte_local.store.database import Database, Values, matching, new_id, now, there
from airbyte_local.vault import Vault


@dataclass(frozen=True)
class Actor:
    """A row with its configuration in clear: for a job and for comparison, never for an answer."""

    id: str
    kind: ActorKind
    workspace_id: str
    name: str
    type: str
    configuration: dict[str, Any] = field(repr=False)
    created_at: int  # seconds since 1970


class Actors:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._db, self._vault = database, vault

    def add(
        self, kind: ActorKind, workspace_id: str, name: str, type_: str, configuration: dict[str, Any]
    ) -> Actor:
        key = new_id()
        self._db.insert(
            "actors",
            id=key,
            kind=kind,
            workspace_id=workspace_id,
            name=name,
            type=type_,
            configuration=self._vault.seal(configuration),
            created_at=now(),
        )
        return there(self.get(kind, key))

    def get(self, kind: ActorKind, key: str) -> Actor | None:
        sql = "select * from actors where id = ? and kind = ? and not deleted"
        row = self._db.row(sql, [key, kind])
        return self._actor(row) if row else None

    def page(
        self, kind: ActorKind, workspace_ids: list[str], deleted: bool, limit: int, offset: int
    ) -> list[Actor]:
        where, values = matching({"kind": [kind], "workspace_id": workspace_ids}, deleted)
        return [self._actor(row) for row in self._db.page("actors", where, values, limit, offset)]

    def update(self, kind: ActorKind, key: str, name: str, configuration: dict[str, Any]) -> Actor:
        self._db.write(
            "update actors set name = ?, configuration = ? where id = ?",
            [name, self._vault.seal(configuration), key],
        )
        return there(self.get(kind, key))

    def delete(self, key: str) -> None:
        """Its connections go with it, as in Airbyte."""
        with self._db.transaction():
            self._db.write("update actors set deleted = 1 where id = ?", [key])
            self._db.write(
                "update connections set deleted = 1 where source_id = ? or destination_id = ?", [key, key]
            )

    def _actor(self, row: Values) -> Actor:
        return Actor(
            id=row["id"],
            kind=ActorKind(row["kind"]),
            workspace_id=row["workspace_id"],
            name=row["name"],
            type=row["type"],
            configuration=self._vault.open(row["configuration"]),
            created_at=row["created_at"],
        )
