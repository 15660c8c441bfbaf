"""What `apply` would do: the files against what Airbyte holds, resource by resource."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airbyte_api import models

from airbyte_config import client
from airbyte_config.checks import check_connector, check_streams
from airbyte_config.client import AirbyteError
from airbyte_config.config_diff import (
    SECRET,
    Difference,
    Sign,
    actor_differences,
    actor_fields,
    connection_differences,
    connection_fields,
    refresh_reasons,
    source_reasons,
)
from airbyte_config.definitions import Actor, Connection, Definitions
from airbyte_config.fingerprints import Fingerprints
from airbyte_config.references import UNSET
from airbyte_config.server import KINDS, Server
from foundation.settings import Settings


class Action(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"


SIGNS = {Action.CREATED: Sign.ADD, Action.UPDATED: Sign.CHANGE, Action.DELETED: Sign.REMOVE}


@dataclass(frozen=True)
class Change:
    """What is done to one resource. `id` is Airbyte's, "" for what is not there yet; `notes` are to be read before."""

    kind: str
    name: str
    action: Action
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    id: str = ""
    definition: Actor | Connection | None = field(default=None, repr=False)

    @property
    def reconfigured(self) -> bool:
        """Whether a source will be another one than Airbyte holds, in more than a secret."""
        return any(one.meant != SECRET for one in self.differences)

    @property
    def fields(self) -> list[str]:
        """Of an update: what differs, as `port`, `+sales.store`, `sales.customer.syncMode`."""
        return [one.short for one in self.differences] if self.action is Action.UPDATED else []

    def line(self) -> str:
        """`source adventureworks: updated (port)`"""
        return f"{self.kind} {self.name}: {self.action.value}" + (
            f" ({', '.join(self.fields)})" if self.fields else ""
        )

    def lines(self) -> Iterator[str]:
        """As a diff, with a line for each field."""
        yield f"{SIGNS[self.action]} {self.kind} {self.name}"
        yield from (f"    {one.line()}" for one in self.differences)
        yield from (f"    ! {note}" for note in self.notes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "action": self.action.value,
            "differences": [one.as_dict() for one in self.differences],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are made; `unknown` is what Airbyte holds beyond the files."""

    changes: tuple[Change, ...]
    unknown: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def pending(self) -> list[Change]:
        return [change for change in self.changes if change.action is not Action.UNCHANGED]

    def summary(self) -> str:
        """`1 to create, 0 to change, 0 to delete, 2 unchanged`"""
        counts = dict.fromkeys(Action, 0)
        for change in self.changes:
            counts[change.action] += 1
        return (
            f"{counts[Action.CREATED]} to create, {counts[Action.UPDATED]} to change,"
            f" {counts[Action.DELETED]} to delete, {counts[Action.UNCHANGED]} unchanged"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "changes": [change.as_dict() for change in self.pending],
            "unknown": [{"kind": one.kind, "name": one.name} for one in self.unknown],
            "notes": list(self.notes),
        }


def make_plan(
    definitions: Definitions,
    server: Server,
    settings: Settings,
    *,
    prune: bool = False,
    resend_secrets: bool = False,
    only_compare: bool = False,
) -> Plan:
    """Compare; nothing is changed.

    To `only_compare` means that no source is asked for its streams, and that a secret is left aside unless this machine
    knows what Airbyte holds. Raises EltError, with file and line where a file is at fault.
    """
    return _Planning(definitions, server, settings, resend_secrets, only_compare).plan(prune)


class _Planning:
    def __init__(
        self,
        definitions: Definitions,
        server: Server,
        settings: Settings,
        resend_secrets: bool,
        only_compare: bool,
    ) -> None:
        self.definitions, self.server = definitions, server
        self.resend_secrets, self.only_compare = resend_secrets, only_compare
        self.fingerprints = Fingerprints(settings)
        self.held = {kind: server.listing(kind) for kind in KINDS}
        self.notes: list[str] = []
        self._data: dict[str, bool] = {}

    def plan(self, prune: bool) -> Plan:
        actors = [self._actor(actor) for actor in self.definitions.actors()]
        connections = [self._connection(one, actors) for one in self.definitions.connections.values()]
        unknown = list(self._unknown())
        if prune:
            return Plan((*actors, *connections, *unknown), (), tuple(self.notes))
        return Plan((*actors, *connections), tuple(unknown), tuple(self.notes))

    def _actor(self, actor: Actor) -> Change:
        if isinstance(actor.configuration, dict):
            check_connector(actor, self.server.definitions(actor.kind))
        found = client.named(self.held[actor.kind], actor.kind, actor.name)
        if found is None:
            fields = tuple(actor_fields(actor))
            return Change(actor.kind, actor.name, Action.CREATED, fields, definition=actor)
        connector = found.get(f"{actor.kind}Type")
        if actor.connector and connector != actor.connector:
            raise actor.document.error(
                ("configuration", f"{actor.kind}Type"),
                f"Airbyte's {actor.kind} {actor.name} is a {connector} and can't become a {actor.connector}",
                "delete it in Airbyte, or give this one another name",
            )
        key = found[f"{actor.kind}Id"]
        held = {f"{actor.kind}Type": connector} | found["configuration"]
        differing = actor_differences(actor, held)
        notes = self._source_notes(key, differing) if actor.kind == "source" else []
        differing += [
            Difference(Sign.CHANGE, path, SECRET, SECRET) for path in self._secrets_to_send(actor, key)
        ]
        action = Action.UPDATED if differing else Action.UNCHANGED
        return Change(actor.kind, actor.name, action, tuple(differing), tuple(notes), key, actor)

    def _secrets_to_send(self, actor: Actor, key: str) -> list[str]:
        if self.resend_secrets:
            return list(actor.secrets)
        changed = self.fingerprints.changed(key, actor.secrets)
        if not self.only_compare:
            return changed
        known = self.fingerprints.known(key)
        unknown = [path for path in actor.secrets if path not in known or actor.secrets[path] == UNSET]
        if unknown:
            said = f"not compared, for Airbyte never gives one back: {', '.join(unknown)}"
            self.notes.append(f"{actor.kind} {actor.name}: {said}")
        return [path for path in changed if path not in unknown]

    def _source_notes(self, source_id: str, differing: list[Difference]) -> Iterator[str]:
        reasons = source_reasons(differing)
        for connection in self.held["connection"] if reasons else ():
            if connection["sourceId"] == source_id and self._has_data(connection["connectionId"]):
                yield from refresh_notes(connection["name"], reasons)

    def _connection(self, connection: Connection, actors: list[Change]) -> Change:
        file = connection.definition
        ids = {(change.kind, change.name): change.id for change in actors}
        ends = {
            "sourceId": ids["source", file.source],
            "destinationId": ids["destination", file.destination],
        }
        if not self.only_compare:
            source = next(one for one in actors if (one.kind, one.name) == ("source", file.source))
            self._check_streams(connection, source)
        found = client.named(self.held["connection"], "connection", file.name)
        if found is None:
            refuse_basic(connection)
            fields = tuple(connection_fields(file))
            return Change("connection", file.name, Action.CREATED, fields, definition=connection)
        for end, meant in ends.items():
            if found[end] != meant:
                raise connection.document.error(
                    (end.removesuffix("Id"),),
                    f"Airbyte's connection {file.name} has another {end.removesuffix('Id')}, which can't be changed",
                    "delete that connection in Airbyte, then apply again",
                )
        differing = connection_differences(file, found)
        if any(difference.path.startswith("schedule.") for difference in differing):
            refuse_basic(connection)
        key, reasons = found["connectionId"], refresh_reasons(file, found)
        notes = refresh_notes(file.name, reasons) if reasons and self._has_data(key) else []
        action = Action.UPDATED if differing else Action.UNCHANGED
        return Change("connection", file.name, action, tuple(differing), tuple(notes), key, connection)

    def _check_streams(self, connection: Connection, source: Change) -> None:
        """As far as Airbyte's source is the one that the file means: one that is read otherwise has other cursors."""
        name = connection.name
        if not source.id or source.reconfigured:
            becomes = "changed" if source.id else "there"
            self.notes.append(
                f"connection {name}: its streams are checked when source {source.name} is {becomes}"
            )
            return
        try:
            discovered = self.server.streams(source.id)
        except AirbyteError as error:
            self.notes.append(f"connection {name}: its streams can't be checked: {error.detail}")
            return
        check_streams(connection, discovered)

    def _unknown(self) -> Iterator[Change]:
        """What no file defines, connections first: a source goes after those that read it."""
        known: dict[str, Container[str]] = {
            "source": self.definitions.sources,
            "destination": self.definitions.destinations,
            "connection": self.definitions.connections,
        }
        for kind in reversed(KINDS):
            for item in self.held[kind]:
                if item["name"] in known[kind]:
                    continue
                key, notes = item[f"{kind}Id"], list[str]()
                if kind == "connection" and self._has_data(key):
                    notes = ["it has loaded data: its positions and its history are lost, its tables stay"]
                yield Change(kind, item["name"], Action.DELETED, notes=tuple(notes), id=key)

    def _has_data(self, connection_id: str) -> bool:
        if connection_id not in self._data:
            self._data[connection_id] = self.server.has_data(connection_id)
        return self._data[connection_id]


def refresh_notes(connection: str, reasons: list[str]) -> list[str]:
    """What is to be read before such a change is made."""
    return [*reasons, f"so {connection} needs a refresh afterwards: `elt airbyte refresh {connection}`"]


def refuse_basic(connection: Connection) -> None:
    """Raises EltError for a schedule that Airbyte's API only shows."""
    if connection.definition.schedule.schedule_type == models.ScheduleTypeWithBasicEnum.BASIC:
        raise connection.document.error(
            ("schedule",), "Airbyte's API can't set a basic schedule", "write a cronExpression, or manual"
        )
