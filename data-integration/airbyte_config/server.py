"""What an Airbyte holds of one workspace, and the calls that change it: the unmodified SDK, by kind."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from airbyte_api import api as requests
from airbyte_api import models

from airbyte_config import client, jobs
from airbyte_config.client import AirbyteError, answer, talking
from airbyte_config.definitions import Actor, ConnectionFile, Stream, Tag, path_of
from airbyte_config.mapper_models import mapper_model
from foundation.settings import Settings

KINDS = ("source", "destination", "connection")
GIVE_WAY_SECONDS = 5.0


class Server:
    """The configured workspace of the configured Airbyte. Raises EltError when it can't be asked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = client.sdk(settings)
        self.workspace_id = client.workspace(self.api, settings)

    # what is there

    def listing(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind, as Airbyte sent them."""
        if kind == "connection":
            return client.connections(self.api, self.workspace_id, self.settings)
        ask, request = {
            "source": (self.api.sources.list_sources, requests.ListSourcesRequest),
            "destination": (self.api.destinations.list_destinations, requests.ListDestinationsRequest),
        }[kind]

        def page(limit: int, offset: int) -> dict[str, Any]:
            wanted = request(workspace_ids=[self.workspace_id], limit=limit, offset=offset)
            return answer(partial(ask, request=wanted))

        with talking(f"listing {kind}s", self.settings):
            return list(client.pages(page))

    def definitions(self, kind: str) -> list[dict[str, Any]]:
        """The connectors of the workspace; our server adds their specification where it has one."""
        ask, request = {
            "source": (
                self.api.source_definitions.list_source_definitions,
                requests.ListSourceDefinitionsRequest,
            ),
            "destination": (
                self.api.destination_definitions.list_destination_definitions,
                requests.ListDestinationDefinitionsRequest,
            ),
        }[kind]
        with talking(f"listing the {kind}s' definitions", self.settings):
            answered = ask(request=request(workspace_id=self.workspace_id))
            found: list[dict[str, Any]] = answered.raw_response.json()["data"]
            return found

    def streams(self, source_id: str) -> list[dict[str, Any]]:
        """The streams that a source has. Raises AirbyteError when it can't be read."""
        request = requests.GetStreamPropertiesRequest(source_id=source_id)
        with talking("asking the source for its streams", self.settings):
            sent = self.api.streams.get_stream_properties(request=request).raw_response.json()
        return sent if isinstance(sent, list) else sent.get("data") or []

    def has_data(self, connection_id: str) -> bool:
        """Whether a job of the connection ever loaded anything."""
        done = jobs.recent(
            self.api, connection_id=connection_id, status="succeeded", limit=1, settings=self.settings
        )
        return bool(done)

    # changes

    def create_actor(self, actor: Actor) -> tuple[dict[str, Any], bool]:
        """The source or destination, and whether it is of our making: see `_create_once`."""
        ask, model = {
            "source": (self.api.sources.create_source, models.SourceCreateRequest),
            "destination": (self.api.destinations.create_destination, models.DestinationCreateRequest),
        }[actor.kind]
        body = {"name": actor.name, "workspaceId": self.workspace_id, "definitionId": actor.definition_id}
        request = _with_configuration(model, actor, body)
        return self._create_once(actor.kind, actor.name, partial(ask, request=request))

    def patch_actor(self, actor: Actor, actor_id: str) -> None:
        if actor.kind == "source":
            patch = _with_configuration(models.SourcePatchRequest, actor, {})
            request = requests.PatchSourceRequest.model_construct(
                source_id=actor_id, source_patch_request=patch
            )
            _quietly(partial(self.api.sources.patch_source, request=request))
        else:
            patch = _with_configuration(models.DestinationPatchRequest, actor, {})
            request = requests.PatchDestinationRequest.model_construct(
                destination_id=actor_id, destination_patch_request=patch
            )
            _quietly(partial(self.api.destinations.patch_destination, request=request))

    def create_connection(
        self, file: ConnectionFile, source_id: str, destination_id: str
    ) -> tuple[dict[str, Any], bool]:
        """The connection, and whether it is of our making."""
        request = models.ConnectionCreateRequest(
            sourceId=source_id, destinationId=destination_id, name=file.name, **self._body(file)
        )
        ask = partial(self.api.connections.create_connection, request=request)
        return self._create_once("connection", file.name, ask)

    def patch_connection(self, file: ConnectionFile, connection_id: str) -> None:
        body = models.ConnectionPatchRequest(**self._body(file))
        self.api.connections.patch_connection(
            request=requests.PatchConnectionRequest(
                connection_id=connection_id, connection_patch_request=body
            )
        )

    def delete(self, kind: str, resource_id: str) -> None:
        """Delete one; it is no fault that it is gone already."""
        ask: dict[str, Callable[[], object]] = {
            "source": lambda: self.api.sources.delete_source(
                request=requests.DeleteSourceRequest(source_id=resource_id)
            ),
            "destination": lambda: self.api.destinations.delete_destination(
                request=requests.DeleteDestinationRequest(destination_id=resource_id)
            ),
            "connection": lambda: self.api.connections.delete_connection(
                request=requests.DeleteConnectionRequest(connection_id=resource_id)
            ),
        }
        try:
            with talking(f"deleting {kind} {resource_id}", self.settings):
                ask[kind]()
        except AirbyteError as error:
            if error.status != 404:
                raise

    def _create_once(self, kind: str, name: str, create: Callable[[], Any]) -> tuple[dict[str, Any], bool]:
        """Create it, unless somebody on another machine does so at this very moment.

        Airbyte takes any number of one name, and has no lock. So each maker looks again. If there is another
        one, the maker of the greater id deletes it; the maker of the smaller waits for that. One that waits in vain gives
        way: the other had looked before, and has gone on.
        """
        while True:
            mine = _quietly(create)
            if self._stays(kind, name, mine[f"{kind}Id"]):
                return mine, True
            self.delete(kind, mine[f"{kind}Id"])
            if other := client.named(self.listing(kind), kind, name):
                return other, False

    def _stays(self, kind: str, name: str, mine: str) -> bool:
        deadline = time.monotonic() + GIVE_WAY_SECONDS
        while True:
            same = [item[f"{kind}Id"] for item in self.listing(kind) if item["name"] == name]
            if same == [mine]:
                return True
            if mine != min(same, default=mine) or time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    def _body(self, file: ConnectionFile) -> dict[str, Any]:
        """The fields of a create or patch request, by the SDK's aliases."""
        body = {
            "status": file.status,
            "namespaceDefinition": file.namespace_definition.value,
            "namespaceFormat": file.namespace_format,
            "prefix": file.prefix,
            "nonBreakingSchemaUpdatesBehavior": file.non_breaking_schema_updates_behavior.value,
            "configurations": models.StreamConfigurations(
                streams=[_stream_body(stream) for stream in file.streams]
            ),
        }
        if file.schedule.schedule_type != models.ScheduleTypeWithBasicEnum.BASIC:
            body["schedule"] = models.AirbyteAPIConnectionSchedule(
                schedule_type=file.schedule.schedule_type.value, cron_expression=file.schedule.cron_expression
            )
        if file.tags is not None:
            body["tags"] = [self._tag(tag) for tag in file.tags]
        return body

    def _tag(self, tag: Tag) -> models.Tag:
        """The workspace's tag of that name; made, or given its color, when need be."""
        request = requests.ListTagsRequest(workspace_ids=[self.workspace_id])
        held = {item.name: item for item in self.api.tags.list_tags(request=request).tags_response.data}
        if tag.name not in held:
            create = models.TagCreateRequest(name=tag.name, color=tag.color, workspace_id=self.workspace_id)
            found = self.api.tags.create_tag(request=create).tag_response
        elif held[tag.name].color != tag.color:
            patch = models.TagPatchRequest(name=tag.name, color=tag.color)
            found = self.api.tags.update_tag(
                request=requests.UpdateTagRequest(tag_id=held[tag.name].tag_id, tag_patch_request=patch)
            ).tag_response
        else:
            found = held[tag.name]
        return models.Tag(
            tag_id=found.tag_id, workspace_id=found.workspace_id, name=found.name, color=found.color
        )


def _with_configuration(model: Any, actor: Actor, body: dict[str, Any]) -> Any:
    """A request about an actor. The SDK checks those of connectors that it knows; the others go as they are."""
    given = {key: value for key, value in body.items() if value is not None}
    if isinstance(actor.configuration, dict):
        names = {field.alias or name: name for name, field in model.model_fields.items()}
        fields = {names[key]: value for key, value in given.items()}
        return model.model_construct(configuration=actor.configuration, **fields)
    return model(configuration=actor.configuration, **given)


def _quietly(call: Callable[[], Any]) -> dict[str, Any]:
    """Send, without pydantic's pages of warnings that a configuration is none of those that the SDK knows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
        return answer(call)


def _stream_body(stream: Stream) -> models.StreamConfiguration:
    body = models.StreamConfiguration.model_validate(
        {
            "name": stream.name,
            "namespace": stream.namespace,
            "syncMode": stream.sync_mode,
            "cursorField": path_of(stream.cursor_field) if stream.cursor_field else None,
            "primaryKey": [path_of(field) for field in stream.primary_key] or None,
            "selectedFields": [{"fieldPath": path_of(field)} for field in stream.selected_fields],
            "includeFiles": stream.include_files or None,
            "destinationObjectName": stream.destination_object_name,
        }
    )
    body.mappers = [mapper_model(mapper) for mapper in stream.mappers] or None
    return body
