"""What Airbyte should hold, read from `connections/` and checked before anything is asked of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from airbyte_api import models
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from airbyte_config import documents, references
from airbyte_config.documents import DIRECTORY, At, Document
from airbyte_config.mapper_models import mapper_model
from airbyte_local.cron import parse as parse_cron
from foundation.errors import EltError
from foundation.settings import Settings
from foundation.settings import settings as current_settings

# Airbyte's own names: what reads by a cursor, what adds to the rows that are there, what keeps one row per key
INCREMENTAL = frozenset(
    {"incremental_append", "incremental_deduped_history", "incremental_update", "incremental_soft_delete"}
)
APPENDING = frozenset({"full_refresh_append", "incremental_append"})
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
    """A source or a destination; `definition_id` names a connector that has no type of its own in Airbyte. A source that is
    `optional` is read only where ELT_SOURCES has its name, and so are its connections; a destination only where one of those
    names it."""

    name: str = Field(min_length=1)
    optional: bool = False
    definition_id: str | None = None
    configuration: dict[str, Any]


class Schedule(_Strict):
    """`basic` can only be read: Airbyte's API does not set it."""

    schedule_type: models.ScheduleTypeWithBasicEnum = models.ScheduleTypeWithBasicEnum.MANUAL
    cron_expression: str | None = None
    basic_timing: str | None = None


class Tag(_Strict):
    name: str = Field(min_length=1)
    color: str = Field(min_length=1)


def _shortest(field: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """A path of one part is a column, so that both spellings mean the same."""
    return field[0] if isinstance(field, tuple) and len(field) == 1 else field


# a column, or the path to a field inside of one
FieldPath = Annotated[str | tuple[str, ...], AfterValidator(_shortest)]


def path_of(field: FieldPath) -> list[str]:
    """As Airbyte writes it."""
    return [field] if isinstance(field, str) else list(field)


class StreamDefaults(_Strict):
    sync_mode: models.ConnectionSyncModeEnum | None = None
    cursor_field: FieldPath | None = None


class Stream(StreamDefaults):
    """One table on its way; an empty `selected_fields` means all columns."""

    name: str = Field(min_length=1)
    namespace: str | None = None
    primary_key: list[FieldPath] = []
    selected_fields: list[FieldPath] = []
    mappers: list[dict[str, Any]] = []
    include_files: bool = False
    destination_object_name: str | None = None

    @property
    def label(self) -> str:
        return label_of(self.namespace, self.name)

    @property
    def mode(self) -> str:
        """The sync mode as Airbyte writes it; "" when neither the stream nor the defaults give one."""
        return self.sync_mode.value if self.sync_mode else ""


def label_of(namespace: str | None, name: str) -> str:
    """`sales.store`; the name alone for a source that has no namespaces."""
    return f"{namespace}.{name}" if namespace else name


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
    tags: list[Tag] | None = None  # none mentioned: they stay as they are
    stream_defaults: StreamDefaults = StreamDefaults()
    streams: list[Stream] = Field(min_length=1)

    def table_of(self, stream: Stream, destination_schema: str) -> tuple[str, str]:
        """Schema and table in the destination, by Airbyte's rules for namespaces and prefixes."""
        kinds = models.NamespaceDefinitionEnum
        if self.namespace_definition == kinds.CUSTOM_FORMAT and self.namespace_format:
            schema: str | None = self.namespace_format.replace("${SOURCE_NAMESPACE}", stream.namespace or "")
        else:
            schema = stream.namespace if self.namespace_definition == kinds.SOURCE else None
        return schema or destination_schema, f"{self.prefix}{stream.name}"


@dataclass(frozen=True)
class Actor:
    """A source or destination whose references are resolved.

    `configuration` is the SDK's model of its connector; of one that the SDK does not know, the values as they are.
    """

    document: Document
    name: str
    kind: str  # "source" or "destination"
    definition_id: str | None
    configuration: BaseModel | dict[str, Any] = field(repr=False)
    values: dict[str, Any] = field(repr=False)  # the fields that the file names, references resolved
    secrets: dict[str, str] = field(repr=False)  # dotted path → value

    @property
    def connector(self) -> str:
        """Its type; "" when only the definition's id is given."""
        return str(self.values.get(f"{self.kind}Type", ""))

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
    destinations: dict[str, Actor]
    connections: dict[str, Connection]

    def connection(self, name: str) -> Connection:
        """Raises EltError when no file defines it."""
        if name not in self.connections:
            known = ", ".join(sorted(self.connections)) or "none"
            raise EltError(f"no file defines a connection {name}", f"there is: {known}")
        return self.connections[name]

    def destination_of(self, connection: Connection) -> Actor:
        return self.destinations[connection.definition.destination]

    def actors(self) -> list[Actor]:
        return [*self.sources.values(), *self.destinations.values()]


def load(
    directory: Path = DIRECTORY, settings: Settings | None = None, *, need_secrets: bool = True
) -> Definitions:
    """Read every file under `directory`.

    Destinations of one name are alternatives: AIRBYTE_DESTINATION says which file of them is read. Without
    `need_secrets`, a secret that is not set is no mistake. Raises EltError with file, line and remedy for whatever a
    file gets wrong.
    """
    settings = settings or current_settings()
    if not any(_paths(directory / f"{kind}s") for kind in ("source", "destination", "connection")):
        raise EltError(
            f"{documents.shown(directory)} holds no files of sources, destinations and connections",
            "name a folder that is like data-integration/connections",
        )
    used, left_out = _in_use(_files(directory / "sources"), settings)
    sources = [_actor("source", document, settings, need_secrets) for document in used]
    connections = [
        _connection(document)
        for document in _files(directory / "connections")
        if str(document.data.get("source")) not in left_out
    ]
    named = {connection.definition.destination for connection in connections}
    destinations = [
        _actor("destination", document, settings, need_secrets)
        for document in _chosen(_files(directory / "destinations"), settings)
        if document.data.get("optional") is not True or str(document.data.get("name")) in named
    ]
    definitions = Definitions(_by_name(sources), _by_name(destinations), _by_name(connections))
    for connection in connections:
        _check_ends(connection, definitions)
        _check_cursors(connection, definitions.sources[connection.definition.source])
    return definitions


def _files(directory: Path) -> list[Document]:
    return [documents.read(path) for path in _paths(directory)]


def _paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"))


def _in_use(files: list[Document], settings: Settings) -> tuple[list[Document], set[str]]:
    """The sources that are read, and the names of those that are not."""
    left_out = {
        name
        for document in files
        if document.data.get("optional") is True
        and (name := str(document.data.get("name"))) not in settings.sources
    }
    return [document for document in files if str(document.data.get("name")) not in left_out], left_out


def _chosen(files: list[Document], settings: Settings) -> list[Document]:
    """Of the files that share a name the one that AIRBYTE_DESTINATION names."""
    by_name: dict[str, list[Document]] = {}
    for document in files:
        by_name.setdefault(str(document.data.get("name")), []).append(document)
    chosen = []
    for name, alternatives in by_name.items():
        meant = [one for one in alternatives if one.path.stem == settings.airbyte_destination]
        if len(alternatives) > 1 and not meant:
            raise EltError(
                f"AIRBYTE_DESTINATION={settings.airbyte_destination}: no file of that name defines {name}",
                f"there is: {', '.join(one.path.stem for one in alternatives)}",
            )
        chosen.append(meant[0] if meant else alternatives[0])
    return chosen


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
    return documents.complaint(document, at, error, "connections/README.md")


def _actor(kind: str, document: Document, settings: Settings, need_secrets: bool) -> Actor:
    file: ActorFile = _parse(ActorFile, document)
    at: At = ("configuration",)
    values, secrets = references.resolve(
        document, file.configuration, at, settings, need_secrets=need_secrets
    )
    field = f"{kind}Type"
    connector = str(values.get(field) or "")
    if not connector and not file.definition_id:
        raise document.error(at, f"{field} is missing", f"name the {kind}'s {field}, or its definitionId")
    return Actor(
        document, file.name, kind, file.definition_id, _modelled(kind, document, values), values, secrets
    )


def _modelled(kind: str, document: Document, values: dict[str, Any]) -> BaseModel | dict[str, Any]:
    """The SDK's model of the connector. One that the SDK does not know is checked by Airbyte itself (`plan`)."""
    model = sdk_model(kind, str(values.get(f"{kind}Type") or ""))
    if model is None:
        return values
    try:
        configuration = model.model_validate(values)
    except ValidationError as error:
        raise _complaint(document, ("configuration",), error) from None
    _refuse_unknown(document, ("configuration",), values, configuration)
    return configuration


def sdk_model(kind: str, connector: str) -> type[BaseModel] | None:
    """The SDK's model of a connector's configuration, if it has one."""
    pascal = to_pascal(connector.replace("-", "_"))
    return getattr(models, f"{kind.title()}{pascal}", None) if pascal else None


def _refuse_unknown(document: Document, at: At, given: Any, understood: Any) -> None:
    """The SDK's models drop fields that they do not know, or send them on: a misspelt one would pass without a word."""
    if isinstance(given, dict) and isinstance(understood, BaseModel):
        fields = {field.alias or name: name for name, field in type(understood).model_fields.items()}
        for key, value in given.items():
            if key not in fields:
                raise document.error((*at, key), f"unknown field {key}", "see the connector's documentation")
            _refuse_unknown(document, (*at, key), value, getattr(understood, fields[key]))


def _connection(document: Document) -> Connection:
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
            raise document.error(
                at, f"stream {stream.label} is already defined in line {line}", "remove one of them"
            )
        seen[stream.label] = index
    if (
        file.namespace_definition == models.NamespaceDefinitionEnum.CUSTOM_FORMAT
        and not file.namespace_format
    ):
        raise document.error(("namespaceDefinition",), "custom_format needs a namespaceFormat", "add one")
    if (
        file.schedule.schedule_type == models.ScheduleTypeWithBasicEnum.CRON
        and not file.schedule.cron_expression
    ):
        raise document.error(
            ("schedule",), "a cron schedule needs a cronExpression", "add one, or schedule manually"
        )
    if file.schedule.cron_expression:
        try:
            parse_cron(file.schedule.cron_expression)
        except ValueError as error:
            raise document.error(
                ("schedule", "cronExpression"),
                f"cronExpression: {error}",
                "correct it, as 0 30 6 ? * MON-FRI",
            ) from None
    return Connection(document, file.model_copy(update={"streams": streams}))


def _check_stream(document: Document, at: At, stream: Stream) -> None:
    mode = stream.mode
    if not mode:
        raise document.error(
            at, f"stream {stream.label} has no syncMode", "add one, here or in streamDefaults"
        )
    for index, mapper in enumerate(stream.mappers):
        place = (*at, "mappers", index)
        if "key" in (mapper.get("mapperConfiguration") or {}):
            raise document.error(
                place,
                f"stream {stream.label}: an encryption mapper contains its key, and files must not contain keys",
                "hash the field instead, encrypt it with RSA, or keep this connection out of the files",
            )
        try:
            model = mapper_model(mapper)
        except ValueError as error:
            raise document.error(
                place,
                f"stream {stream.label}: it is no mapper: {_first_word(error)}",
                "see connections/README.md",
            ) from None
        _refuse_unknown(
            document,
            (*place, "mapperConfiguration"),
            mapper["mapperConfiguration"],
            model.mapper_configuration,
        )
    if stream.selected_fields:
        selected = {path_of(field)[0] for field in stream.selected_fields}
        cursor = [stream.cursor_field] if stream.cursor_field and mode in INCREMENTAL else []
        for field in (path_of(wanted)[0] for wanted in [*stream.primary_key, *cursor]):
            if field not in selected:
                raise document.error(
                    (*at, "selectedFields"),
                    f"stream {stream.label}: selectedFields lacks {field}, its key or cursor",
                    f"add {field}",
                )


def _first_word(error: ValueError) -> str:
    """The first thing that is wrong with a mapper, without its values."""
    if not isinstance(error, ValidationError):
        return f"type has to be one of {', '.join(kind.value for kind in models.StreamMapperType)}"
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _check_ends(connection: Connection, definitions: Definitions) -> None:
    file, document = connection.definition, connection.document
    if file.source not in definitions.sources:
        known = ", ".join(sorted(definitions.sources)) or "none"
        raise document.error(("source",), f"no file defines a source {file.source}", f"there is: {known}")
    if file.destination not in definitions.destinations:
        known = ", ".join(sorted(definitions.destinations)) or "none"
        raise document.error(
            ("destination",), f"no file defines a destination {file.destination}", f"there is: {known}"
        )


def _check_cursors(connection: Connection, source: Actor) -> None:
    """Incremental streams of a database that is read by cursor name one, those of one that captures changes do not.

    Other sources may have cursors of their own: what they need is asked of them (`checks`).
    """
    for stream in connection.definition.streams:
        at, mode = connection.at_stream(stream), stream.mode
        if source.captures and stream.cursor_field:
            raise connection.document.error(
                at,
                f"stream {stream.label}: a cursorField, but the source {source.name} captures changes (method: CDC)",
                "remove it, here or in streamDefaults",
            )
        by_cursor = "replication_method" in source.values and not source.captures
        if mode in INCREMENTAL and by_cursor and not stream.cursor_field:
            raise connection.document.error(
                at, f"stream {stream.label}: {mode} needs a cursorField", "add one, here or in streamDefaults"
            )
