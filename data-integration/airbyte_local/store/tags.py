"""Tags."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from airbyte_local.store.database import Database, Values, matching, new_id, there


class TakenError(Exception):
    """The workspace has a tag of that name."""


@dataclass(frozen=True)
class Tag:
    """A row."""

    id: str
    workspace_id: str
    name: str
    color: str


class Tags:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, workspace_id: str, name: str, color: str) -> Tag:
        """Raises TakenError."""
        key = new_id()
        try:
            self._db.insert("tags", id=key, workspace_id=workspace_id, name=name, color=color)
        except sqlite3.IntegrityError:
            raise TakenError from None
        return there(self.get(key))

    def get(self, key: str) -> Tag | None:
        row = self._db.row("select * from tags where id = ?", [key])
        return as_tag(row) if row else None

    def of(self, workspace_ids: list[str]) -> list[Tag]:
        """Those of these workspaces, or of all of them."""
        where, values = matching({"workspace_id": workspace_ids}, deleted=True)
        rows = self._db.rows(f"select * from tags where {where} order by name", values)
        return [as_tag(row) for row in rows]

    def update(self, key: str, name: str, color: str) -> Tag:
        """Raises TakenError."""
        try:
            self._db.write("update tags set name = ?, color = ? where id = ?", [name, color, key])
        except sqlite3.IntegrityError:
            raise TakenError from None
        return there(self.get(key))

    def delete(self, key: str) -> None:
        """Connections lose it."""
        self._db.write("delete from tags where id = ?", [key])


def as_tag(row: Values) -> Tag:
    return Tag(id=row["id"], workspace_id=row["workspace_id"], name=row["name"], color=row["color"])
