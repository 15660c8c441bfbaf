"""Names and texts inside DuckDB's SQL, where nothing can be bound, and in what people read."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def visible(name: str) -> str:
    """A name for people: what cannot be seen in it (a byte order mark, a blank at its end, a control) as its escape."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)
    return f'"{shown}"' if not shown or shown != shown.strip() else shown


def encodable(text: str) -> str:
    """A text that UTF-8 can hold: half a surrogate pair is its escape."""
    return text.encode(errors="backslashreplace").decode()


def is_name(text: str) -> bool:
    """Whether SQL can have it as a name: it is not empty, and holds neither NUL nor half a surrogate pair."""
    return bool(text) and "\0" not in text and encodable(text) == text


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
