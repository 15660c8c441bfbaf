"""What a job has to do. Its server sends it as one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airbyte_local.enums import OFFERED, JobType, NamespaceDefinition, SchemaRule


@dataclass(frozen=True)
class Task:
    """A job of a connection. `source` and `destination` have a `type` and a `configuration`; streams are as Airbyte's API
    has them. `chosen`: the streams that the job is for; None: all. `offered`: what the source had, as [namespace, name], when
    the connection last looked; None: it has not looked yet.
    """

    job_id: int
    connection_id: str
    connection_name: str
    source: dict[str, Any]
    destination: dict[str, Any]
    streams: list[dict[str, Any]]
    namespace_definition: NamespaceDefinition
    namespace_format: str | None = None
    prefix: str = ""
    type: JobType = JobType.SYNC
    schema_rule: SchemaRule = SchemaRule.PROPAGATE_COLUMNS
    offered: list[list[str]] | None = None
    chosen: list[dict[str, Any]] | None = None
    secret_fields: frozenset[str] = frozenset()  # of the source's connector
    log_path: str = ""

    @classmethod
    def of(cls, sent: dict[str, Any]) -> Task:
        """Read what the server has sent. Raises KeyError or ValueError for what it never sends."""
        return cls(
            job_id=sent["jobId"],
            connection_id=sent["connectionId"],
            connection_name=sent["connectionName"],
            source=sent["source"],
            destination=sent["destination"],
            streams=sent["streams"],
            namespace_definition=NamespaceDefinition(sent["namespaceDefinition"]),
            namespace_format=sent.get("namespaceFormat"),
            prefix=sent.get("prefix") or "",
            type=JobType(sent.get("jobType", JobType.SYNC)),
            schema_rule=SchemaRule(
                sent.get("nonBreakingSchemaUpdatesBehavior", SchemaRule.PROPAGATE_COLUMNS)
            ),
            offered=sent.get(OFFERED),
            chosen=sent.get("chosen"),
            secret_fields=frozenset(sent.get("secretFields", ())),
            log_path=sent.get("logPath", ""),
        )
