"""Bring an Airbyte to what the files say, by name: create what is missing, update what differs, touch nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from airbyte_config.checks import check_streams
from airbyte_config.client import AirbyteError, talking
from airbyte_config.definitions import Actor, Connection, load
from airbyte_config.documents import DIRECTORY, At, Document
from airbyte_config.fingerprints import Fingerprints
from airbyte_config.plan import Action, Change, Plan, make_plan
from airbyte_config.server import Server
from foundation.errors import EltError, Kind
from foundation.settings import Settings
from foundation.settings import settings as current_settings

LOCK_SECONDS = 300.0


def apply(
    directory: Path = DIRECTORY,
    *,
    prune: bool = False,
    confirm: Callable[[list[Change]], bool] = lambda losing: False,
    resend_secrets: bool = False,
    report: Callable[[str], None] = lambda line: None,
    settings: Settings | None = None,
) -> list[Change]:
    """Create or update sources, destinations and connections; `report` gets a line on each as soon as it is done.

    Safe to repeat, and at once: two applies of one ELT_HOME take turns, two of different machines create nothing
    twice. What a file does not mention stays as it is, except a connection's streams: those are exactly the file's.
    With `prune`, what no file defines is deleted; connections that have loaded data only if `confirm` agrees. Raises
    EltError when a file is wrong or Airbyte refuses.
    """
    settings = settings or current_settings()
    definitions = load(directory, settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.home / "airbyte-apply.lock", timeout=LOCK_SECONDS):
            server = Server(settings)
            plan = make_plan(definitions, server, settings, prune=prune, resend_secrets=resend_secrets)
            _ask(plan, confirm)
            return _Run(server, settings, report).changes(plan)
    except Timeout:
        raise EltError(
            "another `elt airbyte apply` is at work", "wait for it to end, then try again"
        ) from None


def _ask(plan: Plan, confirm: Callable[[list[Change]], bool]) -> None:
    losing = [change for change in plan.pending if change.action is Action.DELETED and change.notes]
    if losing and not confirm(losing):
        names = ", ".join(change.name for change in losing)
        raise EltError(
            f"--prune would delete connections that have loaded data: {names}",
            "give --yes if that is meant; nothing was changed",
        )


class _Run:
    """One apply, and the ids met on the way."""

    def __init__(self, server: Server, settings: Settings, report: Callable[[str], None]) -> None:
        self.server, self.settings, self.report = server, settings, report
        self.fingerprints = Fingerprints(settings)
        self.ids: dict[tuple[str, str], str] = {}  # (kind, name) → id
        self.unasked: set[str] = set()  # ids of what the plan could not ask for its streams

    def changes(self, plan: Plan) -> list[Change]:
        done = []
        for change in plan.changes:
            for note in change.notes:
                self.report(f"{change.kind} {change.name}: ! {note}")
            made = self._make(change)
            self.ids[made.kind, made.name] = made.id
            if not change.id or change.reconfigured:
                self.unasked.add(made.id)
            done.append(made)
            self.report(made.line())
        return done

    def _make(self, change: Change) -> Change:
        if change.action is Action.UNCHANGED:
            return change
        if change.action is Action.DELETED:
            self.server.delete(change.kind, change.id)
            return change
        definition = change.definition
        if definition is None:
            raise EltError(f"{change.kind} {change.name}: nothing defines what it should be", kind=Kind.OURS)
        if isinstance(definition, Connection):
            with self._placed(change, definition.document, ("streams",)):
                return self._connection(change, definition)
        with self._placed(change, definition.document, ("configuration",)):
            return self._actor(change, definition)

    def _actor(self, change: Change, actor: Actor) -> Change:
        if change.action is Action.UPDATED:
            self.server.patch_actor(actor, change.id)
        else:
            sent, ours = self.server.create_actor(actor)
            change = _created(change, sent[f"{actor.kind}Id"], ours)
            if not ours:
                return change  # whether it holds our secrets we do not know
        self.fingerprints.note(change.id, actor.secrets)
        return change

    def _connection(self, change: Change, connection: Connection) -> Change:
        file = connection.definition
        source_id = self.ids["source", file.source]
        if source_id in self.unasked:
            try:
                check_streams(connection, self.server.streams(source_id))
            except AirbyteError as error:
                self.report(f"connection {file.name}: its streams can't be checked: {error.detail}")
        if change.action is Action.UPDATED:
            self.server.patch_connection(file, change.id)
            return change
        sent, ours = self.server.create_connection(file, source_id, self.ids["destination", file.destination])
        return _created(change, sent["connectionId"], ours)

    @contextmanager
    def _placed(self, change: Change, document: Document, otherwise: At) -> Iterator[None]:
        """Name the place in the file when Airbyte refuses: the field that its answer names, else `otherwise`."""
        try:
            with talking(f"{change.kind} {change.name} can't be {change.action}", self.settings):
                yield
        except AirbyteError as error:
            raise document.error(place_of(error.detail) or otherwise, error.message, error.remedy) from None


def _created(change: Change, resource_id: str, ours: bool) -> Change:
    """Somebody else may have been first: then nothing was done here."""
    return replace(change, id=resource_id, action=Action.CREATED if ours else Action.UNCHANGED)


def place_of(detail: str) -> At:
    """The place in a file of the field that a refusal begins with: `configurations.streams[3].syncMode: …`; () for none."""
    match = re.match(r"(?:configurations\.)?(\w+(?:\.\w+|\[\d+\])*): ", detail)
    parts = re.findall(r"\w+", match.group(1)) if match else []
    return tuple(int(part) if part.isdigit() else part for part in parts)
