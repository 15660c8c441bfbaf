"""Connections with their tags, and when each is due."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airbyte_local.store.database import Database, Values, matching, new_id, now, there
from airbyte_local.store.tags import Tag, as_tag


@dataclass(frozen=True)
class Connection:
    """A row with its tags. `body`: the other fields of Airbyte's API."""

    id: str
    workspace_id: str
    source_id: str
    destination_id: str
    body: dict[str, Any]
    created_at: int  # seconds since 1970
    deleted: bool
    next_run: float | None  # seconds since 1970
    tags: tuple[Tag, ...]

    @property
    def streams(self) -> list[dict[str, Any]]:
        """As they are configured; keys of mappers are sealed."""
        streams: list[dict[str, Any]] = self.body["configurations"]["streams"]
        return streams


class Connections:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        workspace_id: str,
        source_id: str,
        destination_id: str,
        body: dict[str, Any],
        tag_ids: Iterable[str] = (),
        next_run: float | None = None,
    ) -> Connection:
        key = new_id()
        with self._db.transaction():
            self._db.insert(
                "connections",
                id=key,
                workspace_id=workspace_id,
                source_id=source_id,
                destination_id=destination_id,
                body=json.dumps(body),
                created_at=now(),
                next_run=next_run,
            )
            self._tag(key, tag_ids)
        return there(self.get(key))

    def get(self, key: str) -> Connection | None:
        found = self._found(self._db.rows("select * from connections where id = ? and not deleted", [key]))
        return found[0] if found else None

    def page(
        self, workspace_ids: list[str], tag_ids: list[str], deleted: bool, limit: int, offset: int
    ) -> list[Connection]:
        """`tag_ids` filters to those that have any of them."""
        where, values = matching({"workspace_id": workspace_ids}, deleted)
        if tag_ids:
            some, more = matching({"tag_id": tag_ids}, deleted=True)
            where += f" and id in (select connection_id from connection_tags where {some})"
            values += more
        return self._found(self._db.page("connections", where, values, limit, offset))

    def ids_of_actor(self, actor_id: str) -> list[str]:
        """Those that use a source or destination."""
        sql = "select id from connections where (source_id = ? or destination_id = ?) and not deleted"
        return [row["id"] for row in self._db.rows(sql, [actor_id, actor_id])]

    def ids_of_workspaces(self, workspace_ids: list[str]) -> list[str]:
        """Deleted ones too: their history stays to be read."""
        where, values = matching({"workspace_id": workspace_ids}, deleted=True)
        return [row["id"] for row in self._db.rows(f"select id from connections where {where}", values)]

    def update(
        self, key: str, body: dict[str, Any], tag_ids: Iterable[str] | None, next_run: float | None
    ) -> Connection:
        """`tag_ids` None leaves the tags as they are."""
        with self._db.transaction():
            self._db.write(
                "update connections set body = ?, next_run = ? where id = ?",
                [json.dumps(body), next_run, key],
            )
            if tag_ids is not None:
                self._db.write("delete from connection_tags where connection_id = ?", [key])
                self._tag(key, tag_ids)
        return there(self.get(key))

    def delete(self, key: str) -> None:
        self._db.write("update connections set deleted = 1 where id = ?", [key])

    def due(self, moment: float) -> list[Connection]:
        """Connections whose next run is not later than this."""
        sql = "select * from connections where next_run <= ? and not deleted order by next_run"
        return self._found(self._db.rows(sql, [moment]))

    def next_run(self) -> float | None:
        """When the next scheduled job is due."""
        (row,) = self._db.rows("select min(next_run) as at from connections where not deleted")
        at: float | None = row["at"]
        return at

    def set_next_run(self, key: str, moment: float | None) -> None:
        self._db.write("update connections set next_run = ? where id = ?", [moment, key])

    def _tag(self, key: str, tag_ids: Iterable[str]) -> None:
        for tag_id in tag_ids:
            self._db.write("insert or ignore into connection_tags values (?, ?)", [key, tag_id])

    def _found(self, rows: list[Values]) -> list[Connection]:
        """The rows with their tags."""
        if not rows:
            return []
        tags: dict[str, list[Tag]] = {row["id"]: [] for row in rows}
        where, values = matching({"connection_id": list(tags)}, deleted=True)
        for tag in self._db.rows(
            "select connection_id, tags.* from connection_tags join tags on tags.id = tag_id"
            f" where {where} order by tags.name",
            values,
        ):
            tags[tag["connection_id"]].append(as_tag(tag))
        return [_connection(row, tags[row["id"]]) for row in rows]


def _connection(row: Values, tags: list[Tag]) -> Connection:
    typed = {"body": json.loads(row["body"]), "deleted": bool(row["deleted"])}
    return Connection(**row | typed, tags=tuple(tags))
