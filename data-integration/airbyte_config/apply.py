"""Bring an Airbyte to what the files say, by name: create what is missing, update what differs, touch nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from airbyte_api import AirbyteAPI, models
from airbyte_api import api as requests
from filelock import FileLock, Timeout

from airbyte_config import client, compare
from airbyte_config.client import AirbyteError, talking
from airbyte_config.definitions import Actor, Connection, ConnectionFile, Definitions, Stream, load
from airbyte_config.documents import DIRECTORY, At, Document
from airbyte_config.fingerprints import Fingerprints
from elt.errors import EltError
from elt.settings import Settings
from elt.settings import settings as current_settings

LOCK_SECONDS = 300.0


class Action(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Change:
    """What `apply` did (in a dry run: would do) to one resource; `fields` are those that differed."""

    kind: str
    name: str
    action: Action
    fields: list[str] = field(default_factory=list)

    def line(self, dry_run: bool = False) -> str:
        """`source adventureworks: updated (configuration.port)`"""
        happened = self.action.value
        if dry_run and self.action is not Action.UNCHANGED:
            happened = f"would be {happened}"
        return f"{self.kind} {self.name}: {happened}" + (
            f" ({', '.join(self.fields)})" if self.fields else ""
        )


def apply(
    directory: Path = DIRECTORY,
    *,
    dry_run: bool = False,
    resend_secrets: bool = False,
    report: Callable[[str], None] = lambda line: None,
    settings: Settings | None = None,
) -> list[Change]:
    """Create or update sources, destination and connections; `report` gets a line on each as soon as it is done.

    Two applies of one ELT_HOME take turns. What a file does not mention stays as it is, except a connection's
    streams: those are exactly the file's. Raises EltError when a file is wrong or Airbyte refuses.
    """
    settings = settings or current_settings()
    definitions = load(directory, settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.home / "airbyte-apply.lock", timeout=LOCK_SECONDS):
            return _Run(definitions, settings, dry_run, resend_secrets, report).changes()
    except Timeout:
        raise EltError(
            "another `elt airbyte apply` is at work", "wait for it to end, then try again"
        ) from None


@dataclass(frozen=True)
class _Calls:
    """The SDK's calls for one kind of actor."""

    listing: Callable[[str, int, int], Any]
    create: Callable[[str, Actor], Any]
    patch: Callable[[str, Actor], Any]


def _calls(api: AirbyteAPI) -> dict[str, _Calls]:
    return {
        "source": _Calls(
            listing=lambda workspace_id, limit, offset: api.sources.list_sources(
                request=requests.ListSourcesRequest(workspace_ids=[workspace_id], limit=limit, offset=offset)
            ),
            create=lambda workspace_id, actor: api.sources.create_source(
                request=models.SourceCreateRequest(
                    name=actor.name, workspace_id=workspace_id, configuration=actor.configuration
                )
            ),
            patch=lambda source_id, actor: api.sources.patch_source(
                request=requests.PatchSourceRequest(
                    source_id=source_id,
                    source_patch_request=models.SourcePatchRequest(configuration=actor.configuration),
                )
            ),
        ),
        "destination": _Calls(
            listing=lambda workspace_id, limit, offset: api.destinations.list_destinations(
                request=requests.ListDestinationsRequest(
                    workspace_ids=[workspace_id], limit=limit, offset=offset
                )
            ),
            create=lambda workspace_id, actor: api.destinations.create_destination(
                request=models.DestinationCreateRequest(
                    name=actor.name, workspace_id=workspace_id, configuration=actor.configuration
                )
            ),
            patch=lambda destination_id, actor: api.destinations.patch_destination(
                request=requests.PatchDestinationRequest(
                    destination_id=destination_id,
                    destination_patch_request=models.DestinationPatchRequest(
                        configuration=actor.configuration
                    ),
                )
            ),
        ),
    }


class _Run:
    """One apply: the client, the workspace, and the ids met on the way."""

    def __init__(
        self,
        definitions: Definitions,
        settings: Settings,
        dry_run: bool,
        resend_secrets: bool,
        report: Callable[[str], None],
    ) -> None:
        self.definitions = definitions
        self.settings = settings
        self.dry_run = dry_run
        self.resend_secrets = resend_secrets
        self.report = report
        self.api = client.sdk(settings)
        self.workspace_id = client.workspace(self.api, settings)
        self.fingerprints = Fingerprints(settings)
        self.ids: dict[tuple[str, str], str] = (
            {}
        )  # (kind, name) → id; a dry run knows none of what it would create

    def changes(self) -> list[Change]:
        done: list[Change] = []
        for actors in (list(self.definitions.sources.values()), [self.definitions.destination]):
            calls = _calls(self.api)[actors[0].kind] if actors else None
            present = self._present(actors[0].kind, calls) if calls else []
            for actor in actors:
                done.append(self._actor(actor, calls, present))
                self.report(done[-1].line(self.dry_run))
        present = client.connections(self.api, self.workspace_id, self.settings)
        for connection in self.definitions.connections.values():
            done.append(self._connection(connection, present))
            self.report(done[-1].line(self.dry_run))
        return done

    def _present(self, kind: str, calls: _Calls) -> list[dict[str, Any]]:
        with talking(f"listing {kind}s", self.settings):
            return list(client.pages(lambda limit, offset: calls.listing(self.workspace_id, limit, offset)))

    def _actor(self, actor: Actor, calls: _Calls, present: list[dict[str, Any]]) -> Change:
        found = client.named(present, actor.kind, actor.name)
        if found is None:
            change = Change(actor.kind, actor.name, Action.CREATED)
            self._send(change, lambda: calls.create(self.workspace_id, actor), actor)
            return change
        self.ids[actor.kind, actor.name] = resource_id = found[f"{actor.kind}Id"]
        connector = found.get(f"{actor.kind}Type")
        if connector != actor.connector:
            raise actor.document.error(
                ("configuration", f"{actor.kind}Type"),
                f"Airbyte's {actor.kind} {actor.name} is a {connector} and can't become a {actor.connector}",
                "delete it in Airbyte, or give this one another name",
            )
        differing = compare.actor_differences(actor, found["configuration"])
        differing += (
            list(actor.secrets)
            if self.resend_secrets
            else self.fingerprints.changed(resource_id, actor.secrets)
        )
        if not differing:
            return Change(actor.kind, actor.name, Action.UNCHANGED)
        change = Change(actor.kind, actor.name, Action.UPDATED, differing)
        self._send(change, lambda: calls.patch(resource_id, actor), actor)
        return change

    def _send(self, change: Change, call: Callable[[], Any], actor: Actor) -> None:
        if self.dry_run:
            return
        with self._placed(change, actor.document, ("configuration",)):
            answer = call().raw_response.json()
        self.ids[actor.kind, actor.name] = answer[f"{actor.kind}Id"]
        self.fingerprints.note(answer[f"{actor.kind}Id"], actor.secrets)

    def _connection(self, connection: Connection, present: list[dict[str, Any]]) -> Change:
        file = connection.definition
        ends = {
            "sourceId": self.ids.get(("source", file.source)),
            "destinationId": self.ids.get(("destination", file.destination)),
        }
        found = client.named(present, "connection", file.name)
        if found is None:
            change = Change("connection", file.name, Action.CREATED)
            self._send_connection(change, connection, lambda: self._create(file, ends))
            return change
        for end, meant in ends.items():
            if found[end] != meant:
                raise connection.document.error(
                    (end.removesuffix("Id"),),
                    f"Airbyte's connection {file.name} has another {end.removesuffix('Id')}, which can't be changed",
                    "delete that connection in Airbyte, then apply again",
                )
        differing = compare.connection_differences(file, found)
        if not differing:
            return Change("connection", file.name, Action.UNCHANGED)
        change = Change("connection", file.name, Action.UPDATED, differing)
        self._send_connection(change, connection, lambda: self._patch(file, found["connectionId"]))
        return change

    def _send_connection(self, change: Change, connection: Connection, call: Callable[[], Any]) -> None:
        if self.dry_run:
            return
        with self._placed(change, connection.document, ("streams",)):
            call()

    def _create(self, file: ConnectionFile, ends: dict[str, str | None]) -> Any:
        return self.api.connections.create_connection(
            request=models.ConnectionCreateRequest(**ends, name=file.name, **_body(file))
        )

    def _patch(self, file: ConnectionFile, connection_id: str) -> Any:
        body = models.ConnectionPatchRequest(**_body(file))
        return self.api.connections.patch_connection(
            request=requests.PatchConnectionRequest(
                connection_id=connection_id, connection_patch_request=body
            )
        )

    @contextmanager
    def _placed(self, change: Change, document: Document, otherwise: At) -> Iterator[None]:
        """A refusal is told with the place in the file that it is about, as far as Airbyte names it."""
        try:
            with talking(f"{change.kind} {change.name} can't be {change.action}", self.settings):
                yield
        except AirbyteError as error:
            raise document.error(place_of(error.detail) or otherwise, error.message, error.remedy) from None


def place_of(detail: str) -> At:
    """Where in a file the field stands that a refusal begins with: `configurations.streams[3].syncMode: …`; () for none."""
    match = re.match(r"(?:configurations\.)?(\w+(?:\.\w+|\[\d+\])*): ", detail)
    parts = re.findall(r"\w+", match.group(1)) if match else []
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _body(file: ConnectionFile) -> dict[str, Any]:
    """The fields of a create or patch request, by the SDK's aliases."""
    return {
        "status": file.status,
        "schedule": models.AirbyteAPIConnectionSchedule(
            schedule_type=file.schedule.schedule_type, cron_expression=file.schedule.cron_expression
        ),
        "namespaceDefinition": file.namespace_definition.value,
        "namespaceFormat": file.namespace_format,
        "prefix": file.prefix,
        "nonBreakingSchemaUpdatesBehavior": file.non_breaking_schema_updates_behavior.value,
        "configurations": models.StreamConfigurations(
            streams=[_stream_body(stream) for stream in file.streams]
        ),
    }


def _stream_body(stream: Stream) -> models.StreamConfiguration:
    return models.StreamConfiguration(
        name=stream.name,
        namespace=stream.namespace,
        sync_mode=stream.sync_mode,
        cursor_field=[stream.cursor_field] if stream.cursor_field else None,
        primary_key=[[column] for column in stream.primary_key] or None,
        selected_fields=[models.SelectedFieldInfo(field_path=[column]) for column in stream.selected_fields],
    )
