"""What requests may hold. Names are Airbyte's (camelCase); fields that it knows and we do not use are accepted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from airbyte_local.cron import parse
from airbyte_local.enums import ConnectionStatus, JobType, NamespaceDefinition, SyncMode
from airbyte_local.mappers.models import Mapper


class Request(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


def _unsupported(value: Any) -> Any:
    if value:
        raise ValueError("is not supported by this server")
    return value


# an option that would change what happens is refused by name, never ignored in silence
Unsupported = Annotated[Any, AfterValidator(_unsupported)]


class WorkspaceCreate(Request):
    name: str = Field(min_length=1)
    notifications: dict[str, Any] = {}


class WorkspaceUpdate(Request):
    name: str | None = Field(None, min_length=1)
    notifications: dict[str, Any] | None = None


class ActorCreate(Request):
    name: str = Field(min_length=1)
    workspace_id: str
    configuration: dict[str, Any]
    definition_id: str | None = None
    secret_id: Unsupported = None  # of an OAuth log-in


class ActorPatch(Request):
    name: str | None = Field(None, min_length=1)
    configuration: dict[str, Any] | None = None
    workspace_id: str | None = None
    secret_id: Unsupported = None


class ActorPut(Request):
    name: str = Field(min_length=1)
    configuration: dict[str, Any]


class SelectedField(Request):
    field_path: list[str] = Field(min_length=1, max_length=1)


class StreamConfiguration(Request):
    name: str = Field(min_length=1)
    namespace: str | None = None
    sync_mode: SyncMode = SyncMode.FULL_REFRESH_OVERWRITE
    cursor_field: list[str] | None = Field(default=None, max_length=1)
    primary_key: list[Annotated[list[str], Field(min_length=1, max_length=1)]] | None = None
    selected_fields: list[SelectedField] | None = None
    mappers: list[Mapper] | None = None
    destination_object_name: Unsupported = None
    include_files: Unsupported = None


class StreamConfigurations(Request):
    streams: list[StreamConfiguration] | None = None


class Schedule(Request):
    schedule_type: Literal["manual", "cron"] = "manual"
    cron_expression: str | None = None

    @field_validator("cron_expression")
    @classmethod
    def quartz(cls, value: str | None) -> str | None:
        return value and parse(value).text


class TagReference(Request):
    tag_id: str


class TagPatch(Request):
    name: str = Field(min_length=1)
    color: str = Field(pattern="^#?[0-9A-Fa-f]{6}$")


class TagCreate(TagPatch):
    workspace_id: str


class ConnectionPatch(Request):
    name: str | None = Field(None, min_length=1)
    configurations: StreamConfigurations | None = None
    schedule: Schedule | None = None
    status: ConnectionStatus | None = None
    namespace_definition: NamespaceDefinition | None = None
    namespace_format: str | None = None
    prefix: str | None = None
    non_breaking_schema_updates_behavior: (
        Literal["ignore", "disable_connection", "propagate_columns", "propagate_fully"] | None
    ) = None
    tags: list[TagReference] | None = None


class ConnectionCreate(ConnectionPatch):
    source_id: str
    destination_id: str


class StreamName(Request):
    name: str = Field(min_length=1)
    namespace: str | None = None


def _elsewhere(_: Any) -> Any:
    raise ValueError("a job of some streams is for POST /jobs/streams")


class JobCreate(Request):
    """A job of all streams. Any other field is refused: to ignore it could make the job do more than was asked for."""

    model_config = ConfigDict(extra="forbid")
    connection_id: str
    job_type: JobType
    streams: SkipJsonSchema[Annotated[Any, AfterValidator(_elsewhere)]] = None


class JobOfStreams(JobCreate):
    """A job of some of the connection's streams: ours, Airbyte's API has no place for them."""

    streams: list[StreamName] = Field(min_length=1)
