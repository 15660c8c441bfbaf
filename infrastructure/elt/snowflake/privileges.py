"""What the statements say: objects and grants, read from their tokens.

sqlglot knows some grants and keeps the others (future grants, roles, ownership) as mere text: its tokenizer is what serves all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import tokenize

from elt.snowflake.statements import Statement
from foundation.errors import EltError

# the words before a name in `create … if not exists NAME`
OBJECTS = ("resource monitor", "network policy", "database", "schema", "warehouse", "role", "user")


@dataclass(frozen=True, order=True)
class Grant:
    """One privilege of one role (or user). A role that is granted is privilege USAGE on kind ROLE, as Snowflake shows it."""

    grantee: str
    privilege: str
    kind: str  # DATABASE, SCHEMA, TABLE, WAREHOUSE, ROLE
    name: str  # of all or future objects: what they are in
    scope: str = "one"  # or all, future
    to: str = "ROLE"  # or USER

    def line(self) -> str:
        """`SELECT on future TABLES in RAW to role TRANSFORMER`"""
        what = (
            f"{self.kind} {self.name}" if self.scope == "one" else f"{self.scope} {self.kind}S in {self.name}"
        )
        return f"{self.privilege} on {what} to {self.to.lower()} {self.grantee}"


@dataclass(frozen=True, order=True)
class Thing:
    """An object that is created, with its place in the files."""

    kind: str
    name: str


def things(given: Iterable[Statement]) -> list[Thing]:
    """What the statements create."""
    found = []
    for statement in given:
        words = _words(statement)
        if words[0] != "CREATE":
            continue
        text = " ".join(words).replace("CREATE TRANSIENT", "CREATE", 1)
        for kind in OBJECTS:
            start = f"CREATE {kind.upper()} IF NOT EXISTS "
            if text.startswith(start):
                found.append(Thing(kind.upper(), text.removeprefix(start).split()[0]))
                break
        else:
            raise EltError(
                f"{statement.place}: what is created is not understood", "add its kind to privileges.py"
            )
    return found


def grants(given: Iterable[Statement]) -> list[Grant]:
    """What the statements grant. Raises EltError, with file and line, for a grant that is not understood."""
    return [one for statement in given if _words(statement)[0] == "GRANT" for one in _grants(statement)]


def _grants(statement: Statement) -> list[Grant]:
    words = _words(statement)[1:]
    try:
        to = words.index("TO")
        kind_of_grantee, grantee, rest = words[to + 1], words[to + 2], words[to + 3 :]
        if kind_of_grantee not in ("ROLE", "USER") or (rest and rest != ["COPY", "CURRENT", "GRANTS"]):
            raise ValueError
        if words[0] == "ROLE":
            return [Grant(grantee, "USAGE", "ROLE", words[1], to=kind_of_grantee)]
        on = words.index("ON")
        privileges = " ".join(words[:on]).split(" , ")
        target = words[on + 1 : to]
        if target[0] in ("ALL", "FUTURE"):
            scope, plural, within, _, name = target
            if within != "IN":
                raise ValueError
            kind = plural.removesuffix("S")
            return [Grant(grantee, each, kind, name, scope.lower(), kind_of_grantee) for each in privileges]
        kind, name = target
        return [Grant(grantee, each, kind, name, to=kind_of_grantee) for each in privileges]
    except ValueError:
        raise EltError(
            f"{statement.place}: the grant is not understood", "mend it, or privileges.py"
        ) from None


def _words(statement: Statement) -> list[str]:
    """Upper case, a dotted name as one word."""
    words: list[str] = []
    glue = False
    for token in tokenize(statement.text, dialect="snowflake"):
        if token.text == ".":
            words[-1] += "."
            glue = True
        elif glue:
            words[-1] += token.text.upper()
            glue = False
        else:
            words.append(token.text.upper())
    return words
