"""HTTP's basic scheme."""

from __future__ import annotations

import base64
import binascii


def basic(header: str) -> tuple[str, str]:
    """Name and password of an Authorization header; empty where it has none."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
