"""Workspaces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from airbyte_local.store.database import Database, Values, matching, new_id, now, there


@dataclass(frozen=True)
class Workspace:
    """A row."""

    id: str
    name: str
    notifications: dict[str, Any]


class Workspaces:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, name: str, notifications: dict[str, Any]) -> Workspace:
        key = new_id()
        self._db.insert(
            "workspaces", id=key, name=name, notifications=json.dumps(notifications), created_at=now()
        )
        return there(self.get(key))

    def get(self, key: str) -> Workspace | None:
        row = self._db.row("select * from workspaces where id = ? and not deleted", [key])
        return _workspace(row) if row else None

    def page(self, ids: list[str], deleted: bool, limit: int, offset: int) -> list[Workspace]:
        where, values = matching({"id": ids}, deleted)
        return [_workspace(row) for row in self._db.page("workspaces", where, values, limit, offset)]

    def update(self, key: str, name: str, notifications: dict[str, Any]) -> Workspace:
        self._db.write(
            "update workspaces set name = ?, notifications = ? where id = ?",
            [name, json.dumps(notifications), key],
        )
        return there(self.get(key))

    def delete(self, key: str) -> None:
        self._db.write("update workspaces set deleted = 1 where id = ?", [key])


def _workspace(row: Values) -> Workspace:
    return Workspace(id=row["id"], name=row["name"], notifications=json.loads(row["notifications"]))
