"""The source as the sync sees it: a connector's commands, each a process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

from airbyte_local.enums import INCREMENTAL_MODES, SyncMode
from airbyte_local.masking import SECRET_FIELDS, redacted, secret_values
from airbyte_local.schema import Column, ConnectionState, SourceStream, StreamPlan, StreamState, label
from airbyte_local.sources.base import GoneError, Reading
from airbyte_local.sources.connector.environment import ensure
from airbyte_local.sources.connector.messages import Answer, Messages
from airbyte_local.sources.connector.process import Process
from airbyte_local.sources.connector.registry import Connector, connector_of
from airbyte_local.sources.connector.specification import own
from airbyte_local.sources.connector.types import travel_type
from foundation.errors import EltError

Key = tuple[str, str]
DESTINATION_MODES = {
    SyncMode.FULL_REFRESH_OVERWRITE: "overwrite",
    SyncMode.FULL_REFRESH_APPEND: "append",
    SyncMode.INCREMENTAL_APPEND: "append",
    SyncMode.INCREMENTAL_DEDUPED_HISTORY: "append_dedup",
}


class ConnectorSource:
    """A configured connector. `own_group`: see Process."""

    reading: Literal[Reading.MESSAGES] = Reading.MESSAGES

    def __init__(self, type_: str, configuration: dict[str, Any], *, own_group: bool = False) -> None:
        self.connector: Connector = connector_of(type_)
        self.label = self.connector.label
        self.configuration = own(configuration)
        self._own_group = own_group
        self._catalog: dict[Key, dict[str, Any]] = {}
        self._streams: dict[Key, SourceStream] = {}

    def __enter__(self) -> ConnectorSource:
        return self

    def __exit__(self, *_: object) -> None:
        """Each command has ended with its use."""

    def discover(self) -> Iterable[SourceStream]:
        """Every stream that it offers. Raises EltError when its check fails: with its reason."""
        ensure(self.connector)
        with ThreadPoolExecutor(2) as pool:  # each takes as long as the connector needs to start
            checked, catalog = pool.submit(self._check), pool.submit(self._answer, "discover", "CATALOG")
            checked.result()
            self._catalog, self._streams = read_catalogue(self.label, catalog.result())
        return self._streams.values()

    def why_missing(self, namespace: str, name: str) -> EltError:
        """Why a stream is not among the discovered ones."""
        there = ", ".join(label(*key) for key in sorted(self._streams))
        return GoneError(
            f"stream {label(namespace, name)}: {self.connector.label} has no such stream",
            f"take it out of the connection; there are: {there}",
        )

    def check_position(self, saved: dict[str, Any] | None) -> None:
        """Nothing to check: only the connector knows whether a state holds."""

    def check_cursor(self, stream: str, column: Column) -> None:
        """Which fields can be cursors, only the connector knows."""

    @contextmanager
    def messages(
        self,
        plans: Iterable[StreamPlan],
        states: dict[Key, StreamState],
        position: dict[str, Any] | None,
        job_id: int,
        refresh: bool = False,
    ) -> Iterator[tuple[Process, Messages]]:
        """Read these streams, from their states on; `refresh`: their rows take the place of those before."""
        plans = list(plans)
        catalog = {"streams": [self._configured(plan, states[plan.key], job_id, refresh) for plan in plans]}
        files = {"config": self.configuration, "catalog": catalog}
        if (state := as_given(ConnectionState(states, position))) is not None:
            files["state"] = state
        with Process(self.connector, "read", files, own_group=self._own_group) as process:
            yield process, Messages(process, [plan.key for plan in plans])

    def _configured(self, plan: StreamPlan, state: StreamState, job_id: int, refresh: bool) -> dict[str, Any]:
        return {
            "stream": self._catalog[plan.key],
            "sync_mode": "incremental" if plan.mode in INCREMENTAL_MODES else "full_refresh",
            "destination_sync_mode": DESTINATION_MODES[plan.mode],
            "cursor_field": list(plan.cursor_path),
            "primary_key": [[name] for name in plan.primary_key],
            "generation_id": state.generation_id,
            "minimum_generation_id": (
                state.generation_id if refresh or plan.mode == SyncMode.FULL_REFRESH_OVERWRITE else 0
            ),
            "sync_id": job_id,
        }

    def _check(self) -> None:
        answer = self._answer("check", "CONNECTION_STATUS")
        if answer.get("status") != "SUCCEEDED":
            raise EltError(
                f"{self.connector.label}: its check failed: {self._clean(answer.get('message')) or 'without a reason'}",
                "correct the source's configuration",
            )

    def _clean(self, text: str | None) -> str | None:
        return text and redacted(
            text, secret_values(self.configuration, SECRET_FIELDS | self.connector.secret_fields)
        )

    def _answer(self, command: str, wanted: str) -> dict[str, Any]:
        return ask(self.connector, command, wanted, {"config": self.configuration}, own_group=self._own_group)


def ask(
    connector: Connector, command: str, wanted: str, files: dict[str, Any] | None = None, *, own_group: bool
) -> dict[str, Any]:
    """What the connector answers to a command. Raises EltError when it fails or answers nothing."""
    found = None
    with Process(connector, command, files, own_group=own_group) as process:
        for item in Messages(process):
            if isinstance(item, Answer) and item.type == wanted:
                found = item.content
    if found is None:
        raise EltError(f"{connector.label}: {command} gave no {wanted} message", "see what it logs")
    return found


def read_catalogue(
    connector: str, catalog: dict[str, Any]
) -> tuple[dict[Key, dict[str, Any]], dict[Key, SourceStream]]:
    """A connector's streams, as it describes them and as the sync sees them. Raises EltError for one that is not as the protocol has it."""
    described: dict[Key, dict[str, Any]] = {}
    streams: dict[Key, SourceStream] = {}
    name = "a stream"
    remedy = "report it to the connector's maintainer"
    try:
        for one in catalog["streams"]:
            name = f"stream {one['name']}"
            key = one.get("namespace") or "", one["name"]
            texts(list(key))
            streams[key] = stream_of(key, one)
            if described.get(key, one) != one:
                raise EltError(
                    f"{connector}: its catalogue has two streams {label(*key)} that differ", remedy
                )
            described[key] = one
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else "a value of another type"
        raise EltError(
            f"{connector}: its catalogue is not as the protocol has it: {name} has {reason}", remedy
        ) from None
    return described, streams


def stream_of(key: Key, described: dict[str, Any]) -> SourceStream:
    """A stream of the connector's catalogue. Raises KeyError, TypeError or AttributeError for one that is not as the protocol has it."""
    columns = []
    for name, schema in (described["json_schema"].get("properties") or {}).items():
        type_, word = travel_type(schema)
        columns.append(Column(name, word, type_, nullable=True, as_text=False))
    cursor = texts(described.get("default_cursor_field") or [])
    key_paths = tuple(map(texts, described.get("source_defined_primary_key") or []))
    modes = described.get("supported_sync_modes")
    return SourceStream(
        namespace=key[0],
        name=key[1],
        columns=tuple(columns),
        primary_key=tuple(".".join(path) for path in key_paths),
        cursors=(".".join(cursor),) if cursor else (),
        key_paths=key_paths,
        cursor_path=cursor,
        own_cursor=bool(described.get("source_defined_cursor")),
        incremental="incremental" in (modes or ()),
        full_refresh=modes is None or "full_refresh" in modes,
    )


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts: a name, or the path to a field. Raises TypeError for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("no list of texts")
    return tuple(value)


def as_given(saved: ConnectionState) -> Any:
    """A saved state in the form that the connector gave it; None when there is none."""
    position = saved.position or {}
    if position.get("type") == "LEGACY":
        return position["data"]
    streams = [
        {
            "stream_descriptor": {"name": name} | ({"namespace": namespace} if namespace else {}),
            "stream_state": state.blob,
        }
        for (namespace, name), state in saved.streams.items()
        if state.blob is not None
    ]
    if position.get("type") == "GLOBAL":
        whole = {"shared_state": position.get("shared_state"), "stream_states": streams}
        return [{"type": "GLOBAL", "global": whole}]
    return [{"type": "STREAM", "stream": stream} for stream in streams] or None
