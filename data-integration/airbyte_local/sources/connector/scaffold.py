"""`elt connectors new`: the files of a low-code source, from the templates of source-manifest."""

from __future__ import annotations

import re
from pathlib import Path

from airbyte_local.sources.connector.registry import MANIFESTS, SHIPPED
from foundation.errors import EltError
from foundation.settings import ROOT

RUNNER = SHIPPED / "source-manifest"
RECORDED = "recorded"  # the folder of recorded answers, next to the one of manifests
NAME = r"[a-z][a-z0-9_]{0,62}"  # also a schema of the warehouse, and a tag of dbt


def files(name: str, folder: Path | None = None) -> dict[Path, str]:
    """The files of a new source and their contents. In `folder`: all of them there, not in this project.

    Raises EltError for a name that can't be a schema, and for a file that is there.
    """
    if not re.fullmatch(NAME, name):
        raise EltError(
            f"{name!r} can't be the name of a source",
            "use lower-case letters, digits and _, a letter first, as `weather`",
        )
    connectors = folder or RUNNER
    connections = folder / "connections" if folder else ROOT / "data-integration" / "connections"
    places = {
        "manifest": connectors / MANIFESTS,
        "recorded": connectors / RECORDED,
        "source": connections / "sources",
        "connection": connections / "connections",
    }
    found = {}
    for template, place in places.items():
        text = (RUNNER / "template" / f"{template}.yaml").read_text(encoding="utf-8")
        path = place / f"{name}.yaml"
        if path.exists():
            raise EltError(f"{path} is there already", "choose another name, or remove it")
        found[path] = text.replace("__NAME__", name).replace("__VARIABLE__", name.upper())
    return found
