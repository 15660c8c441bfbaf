"""What Airbyte should hold, read from `connections/` and checked before anything is asked of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_api import models
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from airbyte_config import documents, references
from airbyte_config.documents import DIRECTORY, At, Document
from elt.errors import EltError
from elt.settings import Settings
from elt.settings import settings as current_settings

# Airbyte's own names: what reads by a cursor, what keeps one row per key
INCREMENTAL = frozenset(
    {"incremental_append", "incremental_deduped_history", "incremental_update", "incremental_soft_delete"}
)
DEDUPLICATED = frozenset(
    {
        "incremental_deduped_history",
        "full_refresh_overwrite_deduped",
        "full_refresh_update",
        "full_refresh_soft_delete",
        "incremental_update",
        "incremental_soft_delete",
    }
)


class _Strict(BaseModel):
    """A part of a file: Airbyte's spelling, nothing that we do not know."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


class ActorFile(_Strict):
    """A source or a destination."""

    name: str = Field(min_length=1)
    configuration: dict[str, Any]


class Schedule(_Strict):
    schedule_type: models.ScheduleTypeEnum = models.ScheduleTypeEnum.MANUAL
    cron_expression: str | None = None


class StreamDefaults(_Strict):
    sync_mode: models.ConnectionSyncModeEnum | None = None
    cursor_field: str | None = None


class Stream(StreamDefaults):
    """One table on its way; an empty `selected_fields` means all columns."""

    name: str = Field(min_length=1)
    namespace: str = Field(min_length=1)
    primary_key: list[str] = []
    selected_fields: list[str] = []

    @property
    def label(self) -> str:
        return f"{self.namespace}.{self.name}"


class ConnectionFile(_Strict):
    """Which streams go from where to where, and how."""

    name: str = Field(min_length=1)
    source: str
    destination: str
    status: models.ConnectionStatusEnum = models.ConnectionStatusEnum.ACTIVE
    schedule: Schedule = Schedule()
    namespace_definition: models.NamespaceDefinitionEnum = models.NamespaceDefinitionEnum.SOURCE
    namespace_format: str | None = None
    prefix: str = ""
    non_breaking_schema_updates_behavior: models.NonBreakingSchemaUpdatesBehaviorEnum = (
        models.NonBreakingSchemaUpdatesBehaviorEnum.IGNORE
    )
    stream_defaults: StreamDefaults = StreamDefaults()
    streams: list[Stream] = Field(min_length=1)

    def table_of(self, stream: Stream, destination_schema: str) -> tuple[str, str]:
        """Schema and table in the destination, by Airbyte's rules for namespaces and prefixes."""
        kinds = models.NamespaceDefinitionEnum
        if self.namespace_definition == kinds.CUSTOM_FORMAT and self.namespace_format:
            schema = self.namespace_format.replace("${SOURCE_NAMESPACE}", stream.namespace)
        else:
            schema = stream.namespace if self.namespace_definition == kinds.SOURCE else destination_schema
        return schema, f"{self.prefix}{stream.name}"


@dataclass(frozen=True)
class Actor:
    """A source or destination whose references are resolved; `configuration` is the SDK's model of its connector."""

    document: Document
    name: str
    kind: str  # "source" or "destination"
    configuration: BaseModel = field(repr=False)
    values: dict[str, Any] = field(repr=False)  # the fields that the file names, references resolved
    secrets: dict[str, str] = field(repr=False)  # dotted path → value

    @property
    def connector(self) -> str:
        return self.values[f"{self.kind}Type"]

    @property
    def captures(self) -> bool:
        """Whether a source's log says what has changed, so that its streams have no cursor of their own."""
        return (self.values.get("replication_method") or {}).get("method") == "CDC"


@dataclass(frozen=True)
class Connection:
    document: Document
    definition: ConnectionFile

    @property
    def name(self) -> str:
        return self.definition.name

    def at_stream(self, stream: Stream) -> At:
        return ("streams", self.definition.streams.index(stream))


@dataclass(frozen=True)
class Definitions:
    """All that the files say, by name."""

    sources: dict[str, Actor]
    destination: Actor
    connections: dict[str, Connection]

    def connection(self, name: str) -> Connection:
        """Raises EltError when no file defines it."""
        if name not in self.connections:
            known = ", ".join(sorted(self.connections)) or "none"
            raise EltError(f"no file defines a connection {name}", f"there is: {known}")
        return self.connections[name]


def load(directory: Path = DIRECTORY, settings: Settings | None = None) -> Definitions:
    """Read every file under `directory`; of the destinations only the one that AIRBYTE_DESTINATION names.

    Raises EltError with file, line and remedy for whatever a file gets wrong.
    """
    settings = settings or current_settings()
    chosen = directory / "destinations" / f"{settings.airbyte_destination}.yaml"
    if not chosen.exists():
        known = ", ".join(sorted(path.stem for path in chosen.parent.glob("*.yaml"))) or "none"
        raise EltError(
            f"AIRBYTE_DESTINATION={settings.airbyte_destination}: {documents.shown(chosen)} is not there",
            f"there is: {known}",
        )
    sources = [_actor("source", path, settings) for path in _files(directory / "sources")]
    destination = _actor("destination", chosen, settings)
    connections = [_connection(path) for path in _files(directory / "connections")]
    definitions = Definitions(_by_name(sources), destination, _by_name(connections))
    for connection in connections:
        _check_ends(connection, definitions)
        _check_cursors(connection, definitions.sources[connection.definition.source])
    return definitions


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"))


def _by_name(items: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if item.name in found:
            other = documents.shown(found[item.name].document.path)
            raise item.document.error(("name",), f"{item.name} is also the name in {other}", "rename one")
        found[item.name] = item
    return found


def _parse(model: type[_Strict], document: Document) -> Any:
    try:
        return model.model_validate(document.data, by_alias=True)
    except ValidationError as error:
        raise _complaint(document, (), error) from None


def _complaint(document: Document, at: At, error: ValidationError) -> EltError:
    """The first thing that pydantic found, in the file's terms; never a value (it may be a secret)."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = (*at, *first["loc"])
    name = where[-1] if where else "the file"
    if first["type"] == "extra_forbidden":
        return document.error(where, f"unknown field {name}", "correct or remove it (connections/README.md)")
    if first["type"] == "missing":
        return document.error(where, f"{name} is missing", "add it (connections/README.md)")
    return document.error(where, f"{name}: {first['msg']}", "correct it (connections/README.md)")


def _actor(kind: str, path: Path, settings: Settings) -> Actor:
    document = documents.read(path)
    file: ActorFile = _parse(ActorFile, document)
    at: At = ("configuration",)
    values, secrets = references.resolve(document, file.configuration, at, settings)
    connector = str(values.get(f"{kind}Type", ""))
    model = (
        getattr(models, f"{kind.title()}{to_pascal(connector.replace('-', '_'))}", None)
        if connector
        else None
    )
    if model is None:
        field = f"{kind}Type"
        raise document.error(
            (*at, field), f"{field}: Airbyte's SDK knows no {kind} “{connector}”", f"name its {field}"
        )
    try:
        configuration = model.model_validate(values)
    except ValidationError as error:
        raise _complaint(document, at, error) from None
    _refuse_unknown(document, at, values, configuration)
    return Actor(document, file.name, kind, configuration, values, secrets)


def _refuse_unknown(document: Document, at: At, given: Any, understood: Any) -> None:
    """The SDK's models drop fields that they do not know, or send them on: a misspelt one would pass without a word."""
    if isinstance(given, dict) and isinstance(understood, BaseModel):
        fields = {field.alias or name: name for name, field in type(understood).model_fields.items()}
        for key, value in given.items():
            if key not in fields:
                raise document.error((*at, key), f"unknown field {key}", "see the connector's documentation")
            _refuse_unknown(document, (*at, key), value, getattr(understood, fields[key]))


def _connection(path: Path) -> Connection:
    document = documents.read(path)
    file: ConnectionFile = _parse(ConnectionFile, document)
    defaults = file.stream_defaults.model_dump(exclude_none=True)
    streams = [
        stream.model_copy(update=defaults | stream.model_dump(exclude_unset=True)) for stream in file.streams
    ]
    seen: dict[str, int] = {}
    for index, stream in enumerate(streams):
        at: At = ("streams", index)
        _check_stream(document, at, stream)
        if stream.label in seen:
            line = document.line(("streams", seen[stream.label]))
            raise document.error(at, f"stream {stream.label} stands in line {line} too", "remove one")
        seen[stream.label] = index
    if (
        file.namespace_definition == models.NamespaceDefinitionEnum.CUSTOM_FORMAT
        and not file.namespace_format
    ):
        raise document.error(("namespaceDefinition",), "custom_format needs a namespaceFormat", "add one")
    if file.schedule.schedule_type == models.ScheduleTypeEnum.CRON and not file.schedule.cron_expression:
        raise document.error(
            ("schedule",), "a cron schedule needs a cronExpression", "add one, or schedule manually"
        )
    return Connection(document, file.model_copy(update={"streams": streams}))


def _check_stream(document: Document, at: At, stream: Stream) -> None:
    mode = stream.sync_mode.value if stream.sync_mode else None
    if mode is None:
        raise document.error(
            at, f"stream {stream.label} has no syncMode", "add one, here or in streamDefaults"
        )
    if mode in DEDUPLICATED and not stream.primary_key:
        raise document.error(at, f"stream {stream.label}: {mode} needs a primaryKey", "add one")
    if stream.selected_fields:
        cursor = stream.cursor_field if mode in INCREMENTAL else None
        wanted = [*stream.primary_key, *([cursor] if cursor else [])]
        for field in wanted:
            if field not in stream.selected_fields:
                raise document.error(
                    (*at, "selectedFields"),
                    f"stream {stream.label}: selectedFields lacks {field}, its key or cursor",
                    f"add {field}",
                )


def _check_ends(connection: Connection, definitions: Definitions) -> None:
    file, document = connection.definition, connection.document
    if file.source not in definitions.sources:
        known = ", ".join(sorted(definitions.sources)) or "none"
        raise document.error(("source",), f"no file defines a source {file.source}", f"there is: {known}")
    if file.destination != definitions.destination.name:
        named = definitions.destination.name
        chosen = documents.shown(definitions.destination.document.path)
        raise document.error(
            ("destination",), f"{chosen} defines {named}, not {file.destination}", "use one name"
        )


def _check_cursors(connection: Connection, source: Actor) -> None:
    """Incremental streams of a source that is read by cursor name one, those of one that captures changes do not."""
    for stream in connection.definition.streams:
        at, mode = connection.at_stream(stream), stream.sync_mode.value
        if source.captures and stream.cursor_field:
            raise connection.document.error(
                at,
                f"stream {stream.label}: a cursorField, but the source {source.name} captures changes (method: CDC)",
                "remove it, here or in streamDefaults",
            )
        if mode in INCREMENTAL and not source.captures and not stream.cursor_field:
            raise connection.document.error(
                at, f"stream {stream.label}: {mode} needs a cursorField", "add one, here or in streamDefaults"
            )
