"""How far a saved state still holds when a stream is planned again."""

from __future__ import annotations

import json
from typing import Any

from airbyte_local import exact
from airbyte_local.enums import APPEND_MODES, INCREMENTAL_MODES, SyncMode
from airbyte_local.schema import StreamPlan, StreamState
from foundation.errors import EltError
from foundation.quoting import visible

PACKED = "text"  # of a state that holds what JSON in a warehouse cannot
REFRESH = "refresh the connection: that loads its tables again from the source"


def packed(state: dict[str, Any]) -> str:
    """A state as JSON that every warehouse takes: what one of them would change (half a surrogate pair, a number that is no
    short integer) is text within it.
    """
    text = exact.written(state)
    try:
        json.dumps(state, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps({PACKED: text})
    return text if text == json.dumps(state) else json.dumps({PACKED: text})


def unpacked(text: str) -> dict[str, Any]:
    """The state again."""
    state: dict[str, Any] = exact.parsed(text)
    if state.keys() == {PACKED}:
        state = exact.parsed(state[PACKED])
    return state


def fresh(plan: StreamPlan, saved: StreamState | None) -> StreamState:
    """The state to start from when the stream is read from its beginning; the generation goes on counting."""
    return StreamState(
        cursor=None,
        cursor_field=plan.cursor.name if plan.cursor else None,
        primary_key=list(plan.primary_key),
        generation_id=saved.generation_id if saved else 0,
        mode=plan.mode,
        captured=plan.read.captured,
        rows=plan.rows,
    )


def emptied(saved: StreamState | None) -> StreamState:
    """The state of a stream whose rows were cleared: nothing but the generation, one further."""
    return StreamState(generation_id=saved.generation_id + 1 if saved else 0)


def usable(plan: StreamPlan, saved: StreamState | None) -> StreamState:
    """The saved state as far as it holds for this plan: with another cursor the stream is read from its beginning.

    Raises EltError when the table cannot be gone on with: another primary key, or rows in it that were never deduplicated.
    """
    state = fresh(plan, saved)
    if saved is None:
        return state
    table = f"{plan.target_schema}.{plan.target_table}"
    if saved.primary_key and plan.primary_key and saved.primary_key != state.primary_key:
        raise EltError(
            f"stream {plan.label}: the primary key was {', '.join(map(visible, saved.primary_key))}"
            f" and is now {', '.join(map(visible, plan.primary_key))}",
            f"go back to it, or {REFRESH}",
        )
    if plan.mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY and saved.mode in APPEND_MODES:
        raise EltError(
            f"stream {plan.label}: {table} was filled with {saved.mode} and may hold a key more than once",
            f"go back to that sync mode, or {REFRESH}",
        )
    if plan.mode in INCREMENTAL_MODES and saved.rows != state.rows:
        raise EltError(
            f"stream {plan.label}: its row filter is another than {table} was filled with",
            f"go back to it, or {REFRESH}",
        )
    if saved.cursor_field == state.cursor_field:
        state.cursor = saved.cursor
        state.blob = saved.blob if plan.mode in INCREMENTAL_MODES else None
    state.columns, state.identities = saved.columns, saved.identities
    return state


def position_of(saved: dict[str, Any] | None, slot: str) -> int | None:
    """The position of the capture through `slot`, from the connection's saved one; None when there was none yet.

    Raises EltError when it went through another slot.
    """
    if saved is None or "captured" not in saved:
        return None
    if saved["slot"] != slot:
        raise EltError(
            f"the connection was captured through the slot {saved['slot']}, and its source names {slot} now",
            f"go back to it, or {REFRESH}",
        )
    captured: int = saved["captured"]
    return captured


def left_slot(before: dict[str, Any] | None, now: dict[str, Any]) -> str | None:
    """The slot that nobody reads any more after a refresh through another one, on the same server."""
    if before is None or before.get("system") != now["system"] or before.get("slot") == now["slot"]:
        return None
    return before.get("slot")
