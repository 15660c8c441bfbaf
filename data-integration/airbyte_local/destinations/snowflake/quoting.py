"""Names and texts inside Snowflake's SQL, where nothing can be bound. All names are upper case."""

from __future__ import annotations

from foundation.quoting import quoted


def named(*parts: str) -> str:
    """A name, qualified or not, as an SQL identifier."""
    return ".".join(quoted(part.upper()) for part in parts)


def literal(text: str) -> str:
    """A text as an SQL literal: a backslash begins an escape here."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
