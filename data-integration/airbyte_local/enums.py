"""The words of Airbyte's API, each in one place, and the named groups that the code asks about."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """What a job may be. Airbyte's `queued` is never answered: Airflow's hook raises on it."""

    PENDING = "pending"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"


ACTIVE_STATUSES = frozenset({JobStatus.PENDING, JobStatus.RUNNING, JobStatus.INCOMPLETE})
ENDED_STATUSES = frozenset({JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.CANCELLED})


class JobType(StrEnum):
    """Airbyte's kinds of job."""

    SYNC = "sync"
    RESET = "reset"
    REFRESH = "refresh"
    CLEAR = "clear"


class SyncMode(StrEnum):
    """How a stream is read and written (`syncMode` of a stream configuration)."""

    FULL_REFRESH_OVERWRITE = "full_refresh_overwrite"
    FULL_REFRESH_APPEND = "full_refresh_append"
    INCREMENTAL_APPEND = "incremental_append"
    INCREMENTAL_DEDUPED_HISTORY = "incremental_deduped_history"


INCREMENTAL_MODES = frozenset({SyncMode.INCREMENTAL_APPEND, SyncMode.INCREMENTAL_DEDUPED_HISTORY})
FULL_REFRESH_MODES = frozenset({SyncMode.FULL_REFRESH_OVERWRITE, SyncMode.FULL_REFRESH_APPEND})
APPEND_MODES = frozenset({SyncMode.FULL_REFRESH_APPEND, SyncMode.INCREMENTAL_APPEND})


class ActorKind(StrEnum):
    """The two ends of a connection, which Airbyte calls actors."""

    SOURCE = "source"
    DESTINATION = "destination"


class ConnectionStatus(StrEnum):
    """Only an active connection runs jobs; a deleted one is `deprecated`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEPRECATED = "deprecated"
    LOCKED = "locked"


# of a connection: [namespace, name] of what its source offered when its streams were chosen, or since; in no answer
OFFERED = "offeredStreams"


class SchemaRule(StrEnum):
    """What a column or stream that is new in the source, or gone, leads to (`nonBreakingSchemaUpdatesBehavior` of a connection)."""

    IGNORE = "ignore"
    DISABLE = "disable_connection"
    PROPAGATE_COLUMNS = "propagate_columns"
    PROPAGATE_FULLY = "propagate_fully"


# rules that ask which streams are new, and which are gone
RULES_OF_STREAMS = frozenset({SchemaRule.DISABLE, SchemaRule.PROPAGATE_FULLY})


class NamespaceDefinition(StrEnum):
    """Where a stream's table goes: the source's schema, the destination's default, or a pattern."""

    SOURCE = "source"
    DESTINATION = "destination"
    CUSTOM_FORMAT = "custom_format"
