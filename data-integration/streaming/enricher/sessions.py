"""Visits: page views of a visitor, none more than 30 minutes after the one before. The windows are quixstreams' own; here is what they hold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from streaming.enricher.dimensions import Dimensions
from streaming.enricher.minutes import BEGINNING, is_ahead, millionths, milliseconds
from streaming.enricher.orders import EXACT, customer_fields

GAP = timedelta(minutes=30)
LATENESS = timedelta(minutes=30)

Visit = dict[str, Any]  # JSON, as the state keeps it


def refuse_ahead(view: dict[str, Any]) -> list[Visit]:
    """Nothing, for a view that has a place in a visit. Raises ValueError for one that lies far ahead: it would end all visits before it."""
    if is_ahead(view["occurred_at"]):
        raise ValueError(f"occurred_at {view['occurred_at']:%Y-%m-%d} lies more than a year ahead")
    return []


def first(view: dict[str, Any]) -> Visit:
    """A visit of one view."""
    moment = milliseconds(view["occurred_at"])
    kept = ("visitor", "customerid", "device_type", "country")
    return {name: view[name] for name in kept} | {
        "start": moment,
        "end": moment,
        "entry_url": view["page_url"],
        "exit_url": view["page_url"],
        "page_views": 1,
        "order_value": millionths(view["order_value"] or Decimal(0)),
    }


def joined(one: Visit, other: Visit) -> Visit:
    """Two parts of a visit as one, whichever was first."""
    before, after = sorted((one, other), key=lambda each: (each["start"], each["entry_url"]))
    last = max(before, after, key=lambda each: each["end"])
    return before | {
        "end": last["end"],
        "exit_url": last["exit_url"],
        "page_views": before["page_views"] + after["page_views"],
        "order_value": before["order_value"] + after["order_value"],
    }


def with_view(visit: Visit, view: dict[str, Any]) -> Visit:
    """A visit with one more view."""
    return joined(visit, first(view))


def session(window: dict[str, Any], dimensions: Dimensions) -> dict[str, Any]:
    """The event of `shop.sessions` for a window that is closed."""
    dimensions.refresh()
    visit = window["value"]
    kept = ("visitor", "customerid", "page_views", "entry_url", "exit_url", "device_type", "country")
    return {name: visit[name] for name in kept} | {
        "event_id": f"{visit['visitor']}-{visit['start']}",
        "occurred_at": BEGINNING + timedelta(milliseconds=visit["start"]),
        "ended_at": BEGINNING + timedelta(milliseconds=visit["end"]),
        **customer_fields(dimensions.customer(visit["customerid"])),
        "order_value": Decimal(visit["order_value"]).scaleb(-6, EXACT),
    }
