"""The zip file in which Superset takes and gives assets."""

from __future__ import annotations

import io
from typing import Any
from zipfile import ZipFile, ZipInfo

import yaml

METADATA = {"version": "1.0.0", "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"}


def zipped(contents: dict[str, dict[str, Any]]) -> bytes:
    """The contents as a bundle; the same contents are the same bytes."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in {"metadata.yaml": METADATA, **contents}.items():
            archive.writestr(
                ZipInfo(f"assets/{name}"), yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            )
    return buffer.getvalue()


def unzipped(bundle: bytes) -> dict[str, dict[str, Any]]:
    """The contents of a bundle, by file."""
    with ZipFile(io.BytesIO(bundle)) as archive:
        return {
            name.partition("/")[2]: yaml.safe_load(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".yaml") and not name.endswith("/metadata.yaml")
        }
