"""Connector types that this server has, and what their configurations may hold.

The keys are those of Airbyte's source-postgres, destination-duckdb and destination-snowflake. An option that would change what a sync does
but is not supported is refused by name; it is never ignored in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from airbyte_local.api.problems import Problem, field_path, invalid
from airbyte_local.enums import ActorKind
from airbyte_local.masking import SECRET_FIELDS
from airbyte_local.places import outside
from airbyte_local.sources.connector.registry import Connector, connectors
from airbyte_local.sources.connector.specification import wrong_fields
from airbyte_local.store import Actor


class Configuration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def no_nul(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, str) and "\0" in value:
                raise ValueError(f"{name} holds a NUL character")
        return values


class SslMode(Configuration):
    mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class VerifiedSsl(SslMode):
    """The server's certificate must be signed by this authority; for verify-full its name must be the host, too."""

    mode: Literal["verify-ca", "verify-full"]
    ca_certificate: str = Field(min_length=1)
    client_certificate: str = ""
    client_key: str = ""
    client_key_password: str = ""

    @model_validator(mode="after")
    def pair(self) -> VerifiedSsl:
        if bool(self.client_certificate) != bool(self.client_key):
            raise ValueError("client_certificate and client_key go together")
        return self


class ReplicationMethod(Configuration):
    """By cursor, unless it is a `ChangeDataCapture`."""

    method: Literal["Standard", "CDC"]


class ChangeDataCapture(ReplicationMethod):
    """Airbyte's options. Those about waiting and buffers are accepted and mean nothing here: a sync ends at the position
    that the source has when it begins. Of the others, only what this server does anyway is accepted.
    """

    method: Literal["CDC"]
    replication_slot: str = Field(pattern=r"^[a-z0-9_]{1,63}$")
    publication: str = Field(min_length=1, max_length=63)
    plugin: Literal["pgoutput"] = "pgoutput"
    initial_waiting_seconds: int = Field(1200, ge=120, le=2400)
    initial_load_timeout_hours: int = Field(8, ge=4, le=24)
    queue_size: int = Field(10_000, ge=1_000, le=10_000)
    lsn_commit_behaviour: Literal["After loading Data in the destination"] = (
        "After loading Data in the destination"
    )
    invalid_cdc_cursor_position_behavior: Literal["Fail sync"] = "Fail sync"
    heartbeat_action_query: Literal[""] = ""  # the slot moves on with each sync, also when nothing changes


def _variant(field: str, variants: dict[str, type[Configuration]]) -> BeforeValidator:
    """Of a nested configuration: the class that the value of its `field` asks for; the declared one for other values.

    Unlike a union's, the errors name the fields as they are written.
    """

    def specific(value: Any) -> Any:
        chosen = value.get(field) if isinstance(value, dict) else None
        variant = variants.get(chosen) if isinstance(chosen, str) else None
        return variant.model_validate(value) if variant else value

    return BeforeValidator(specific)


class TunnelMethod(Configuration):
    tunnel_method: Literal["NO_TUNNEL"]


class SourcePostgres(Configuration):
    sourceType: Literal["postgres"] = "postgres"
    host: str = Field(min_length=1)
    port: int = Field(5432, ge=1, le=65535)
    database: str = Field(min_length=1)
    schemas: list[str] = Field(["public"], min_length=1)
    username: str = Field(min_length=1)
    password: str | None = None
    ssl_mode: Annotated[SslMode, _variant("mode", {"verify-ca": VerifiedSsl, "verify-full": VerifiedSsl})] = (
        SslMode(mode="prefer")
    )
    replication_method: Annotated[ReplicationMethod, _variant("method", {"CDC": ChangeDataCapture})] = (
        ReplicationMethod(method="Standard")
    )
    tunnel_method: TunnelMethod = TunnelMethod(tunnel_method="NO_TUNNEL")
    entra_service_principal_auth: Literal[False] = False


class DestinationDuckdb(Configuration):
    destinationType: Literal["duckdb"] = "duckdb"
    destination_path: str
    schema_: str = Field("main", alias="schema", min_length=1)

    @field_validator("destination_path")
    @classmethod
    def inside(cls, value: str) -> str:
        if not Path(value).is_absolute():
            raise ValueError("must be an absolute path to a file on the server's machine")
        if reason := outside(value):
            raise ValueError(reason)
        return value


class Credentials(Configuration):
    """How the user logs in."""

    auth_type: Literal["Key Pair Authentication", "Username and Password"]


class Password(Credentials):
    password: str = Field(min_length=1)


class KeyPair(Credentials):
    private_key: str = Field(min_length=1)
    private_key_password: str | None = None


LOGINS = {"Key Pair Authentication": KeyPair, "Username and Password": Password}
JDBC_OPTIONS = {"ssl": r"on|off", "networkTimeout": r"\d{4,9}", "loginTimeout": r"\d{1,4}"}


class DestinationSnowflake(Configuration):
    """Airbyte's keys. Of its options only what this server does anyway is accepted. `jdbc_url_params`: of JDBC's only
    networkTimeout (milliseconds), loginTimeout (seconds), and for an emulator on this machine ssl=off.
    """

    destinationType: Literal["snowflake"] = "snowflake"
    host: str = Field(pattern=r"^[A-Za-z0-9._-]+(:\d+)?$")
    role: str = Field(min_length=1)
    warehouse: str = Field(min_length=1)
    database: str = Field(min_length=1)
    schema_: str = Field("PUBLIC", alias="schema", min_length=1)
    username: str = Field(min_length=1)
    credentials: Annotated[Credentials, _variant("auth_type", LOGINS)]
    jdbc_url_params: str = ""
    cdc_deletion_mode: Literal["Soft delete"] = "Soft delete"
    raw_data_schema: Literal["", "airbyte_internal"] = "airbyte_internal"
    disable_type_dedupe: Literal[False] = False
    use_merge_for_upsert: bool = True  # it always is a merge
    retention_period_days: int = Field(1, ge=0, le=90)

    @field_validator("jdbc_url_params")
    @classmethod
    def known(cls, value: str) -> str:
        for name, given in parse_qsl(value, keep_blank_values=True):
            if not re.fullmatch(JDBC_OPTIONS.get(name, r"(?!)"), given):
                raise ValueError(
                    f"{name}={given} is not supported; this server has: {', '.join(JDBC_OPTIONS)}"
                )
        return value

    @model_validator(mode="after")
    def with_tls(self) -> DestinationSnowflake:
        if "ssl=off" in self.jdbc_url_params and self.host.partition(":")[0] not in (
            "127.0.0.1",
            "localhost",
        ):
            raise ValueError("ssl=off is only for an emulator on this machine")
        return self


class DestinationLake(Configuration):
    """A bucket, with Airbyte's keys for S3. Without `s3_endpoint` it is AWS's; without `access_key_id` the credentials are found as
    AWS's tools find them.
    """

    destinationType: Literal["lake"] = "lake"
    s3_bucket_name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    s3_bucket_path: str = Field("", pattern=r"^[A-Za-z0-9/_.=-]*$")
    s3_bucket_region: str = Field("us-east-1", pattern=r"^[a-z0-9-]+$")
    s3_endpoint: str = Field("", pattern=r"^(https?://[A-Za-z0-9._-]+(:\d+)?/?)?$")
    access_key_id: str = ""
    secret_access_key: str = ""
    schema_: str = Field("main", alias="schema", min_length=1)

    @model_validator(mode="after")
    def pair(self) -> DestinationLake:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key go together")
        endpoint = urlsplit(self.s3_endpoint)
        if endpoint.scheme == "http" and endpoint.hostname not in ("127.0.0.1", "localhost"):
            raise ValueError("an s3_endpoint without TLS (http) is only for a store on this machine")
        return self


Model = type[Configuration]


@dataclass(frozen=True)
class Definition:
    """A connector type: its id in Airbyte's registry, its type and name, the shape of its configuration.

    `model`: of what is built in; else it is a `connector`, whose own specification holds.
    """

    kind: ActorKind
    id: str
    type: str
    name: str
    model: Model | None = None
    connector: Connector | None = None

    @property
    def secret_fields(self) -> frozenset[str]:
        return SECRET_FIELDS | (self.connector.secret_fields if self.connector else frozenset())


DEFINITIONS = (
    Definition(
        ActorKind.SOURCE, "decd338e-5647-4c0b-adf4-da0e75f5a750", "postgres", "Postgres", SourcePostgres
    ),
    Definition(
        ActorKind.DESTINATION, "94bd199c-2ff0-4aa2-b98e-17f0acb72610", "duckdb", "DuckDB", DestinationDuckdb
    ),
    Definition(
        ActorKind.DESTINATION,
        "424892c4-daac-4491-b35d-c6688ba547ba",
        "snowflake",
        "Snowflake",
        DestinationSnowflake,
    ),
    Definition(
        ActorKind.DESTINATION, "6b1f0a4e-6d0c-4b8e-9d57-0c2f6f3f6a11", "lake", "Lake", DestinationLake
    ),
)


def definitions(kind: ActorKind) -> Iterator[Definition]:
    """The built-in types, then every connector that is there now. A caller that finds its type first does not meet the faulty
    folder of another. Raises EltError that names its file.
    """
    yield from (one for one in DEFINITIONS if one.kind == kind)
    if kind == ActorKind.SOURCE:
        for one in connectors().values():
            yield Definition(kind, one.definition_id, one.type, one.name, connector=one)


def cursor_needed(source: Actor) -> bool:
    """Whether an incremental stream of this source needs a cursorField; a connector says that itself, when it is asked."""
    built_in = definition_of(ActorKind.SOURCE, source.type).model is not None
    return built_in and not captures(source.configuration)


def captures(configuration: dict[str, Any]) -> bool:
    """Whether a source reads changes, not by cursor."""
    return (configuration.get("replication_method") or {}).get("method") == "CDC"


def definition_of(kind: ActorKind, type_: str) -> Definition:
    """The definition of a stored actor; without a name or id of its own when its connector is there no more."""
    known = (one for one in definitions(kind) if one.type == type_)
    return next(known, Definition(kind, "", type_, type_))


def find_definition(kind: ActorKind, configuration: dict[str, Any], definition_id: str | None) -> Definition:
    """By `configuration.sourceType` (or destinationType), else by definition id. Raises a 422 that names the field."""
    type_field = f"{kind}Type"
    wanted = configuration.get(type_field)
    types = []
    for one in definitions(kind):
        if wanted == one.type or (wanted is None and definition_id == one.id):
            return one
        types.append(one.type)
    if wanted is None and definition_id is None:
        raise invalid(f"configuration.{type_field}", f"is required; this server has: {', '.join(types)}")
    if wanted is None:
        raise invalid("definitionId", f"{definition_id} is not a definition that this server has")
    raise invalid(
        f"configuration.{type_field}", f"{wanted!r} is not one that this server has: {', '.join(types)}"
    )


def validate(definition: Definition, configuration: dict[str, Any]) -> None:
    """Raises a 422 problem that names each wrong field."""
    if definition.connector is not None:
        _refuse(list(wrong_fields(definition.connector.specification, configuration)))
        return
    if definition.model is None:
        raise invalid(
            f"configuration.{definition.kind}Type", f"this server has no {definition.type} any more"
        )
    try:
        definition.model.model_validate(configuration)
    except ValidationError as error:
        # the value itself is never repeated: it may be a secret
        found = error.errors(include_input=False, include_url=False)
        _refuse([(item["loc"], _message(item)) for item in found])


def _refuse(wrong: list[tuple[tuple[Any, ...], str]]) -> None:
    """Raises the 422 for wrong fields, each with its path within the configuration, if there are any."""
    if wrong:
        errors = [
            {"field": field_path(("configuration", *path)), "message": message} for path, message in wrong
        ]
        raise Problem(
            422, "; ".join(f"{item['field']}: {item['message']}" for item in errors), errors=errors
        ) from None


def _message(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "is not supported by this server"
    if item["type"] == "literal_error":
        return f"this server supports {item['ctx']['expected']}"
    return item["msg"]
