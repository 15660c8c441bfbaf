"""Does an account hold what the SQL files say? Looked up with SHOW, which asks nothing of a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from snowflake.connector import DictCursor, SnowflakeConnection
from snowflake.connector.errors import Error

from elt.snowflake.account import reason
from elt.snowflake.privileges import Grant, Thing, grants, things
from elt.snowflake.statements import Statement

Ask = Callable[[str], list[dict[str, Any]]]

REMEDY = "elt snowflake bootstrap"
SUSPEND_SECONDS = 600  # the most that a warehouse may idle
PUBLISHED = "MARTS"  # and MARTS_NEXT, MARTS_<run>: publishing grants on them
OWN = frozenset({"OWNERSHIP"})


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is "" when all is well."""

    subject: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.remedy

    def line(self) -> str:
        """`MISSING  role LOADER: is not there — elt snowflake bootstrap`"""
        return f"{'ok' if self.ok else 'WRONG':<6} {self.subject}: {self.found}" + (
            "" if self.ok else f" — {self.remedy}"
        )


def examine(session: SnowflakeConnection, given: list[Statement]) -> Iterator[Finding]:
    """Look at everything that the statements make or grant; what can't be looked at is a finding, too."""

    def ask(query: str) -> list[dict[str, Any]]:
        rows = session.cursor(DictCursor).execute(query).fetchall()
        return [{key.lower(): value for key, value in row.items()} for row in rows]

    wanted = things(given)
    for kind, look in (
        ("ROLE", _roles), ("WAREHOUSE", _warehouses), ("RESOURCE MONITOR", _monitors), ("DATABASE", _databases),
        ("SCHEMA", _schemas), ("USER", _users), ("NETWORK POLICY", _policies),
    ):  # fmt: skip
        names = [thing.name for thing in wanted if thing.kind == kind]
        yield from _safely(kind.lower(), look, ask, names)
    yield from _safely("grants", _grants, ask, grants(given), wanted)


def _safely(subject: str, look: Callable[..., Iterable[Finding]], *arguments: Any) -> Iterator[Finding]:
    try:
        yield from look(*arguments)
    except Error as error:
        yield Finding(
            subject, f"can't be looked at: {reason(error)}", "log in with a role that may: ACCOUNTADMIN"
        )


def _missing(kind: str, names: list[str], rows: list[dict[str, Any]]) -> Iterator[Finding]:
    there = {row["name"] for row in rows}
    for name in names:
        yield (
            Finding(f"{kind} {name}", "is there")
            if name in there
            else Finding(f"{kind} {name}", "is not there", REMEDY)
        )


def _roles(ask: Ask, names: list[str]) -> Iterator[Finding]:
    return _missing("role", names, ask("show roles"))


def _databases(ask: Ask, names: list[str]) -> Iterator[Finding]:
    return _missing("database", names, ask("show databases"))


def _monitors(ask: Ask, names: list[str]) -> Iterator[Finding]:
    return _missing("resource monitor", names, ask("show resource monitors"))


def _policies(ask: Ask, names: list[str]) -> Iterator[Finding]:
    return _missing("network policy", names, ask("show network policies"))


def _schemas(ask: Ask, names: list[str]) -> Iterator[Finding]:
    there = {f"{row['database_name']}.{row['name']}".upper() for row in ask("show schemas in account")}
    return _missing("schema", names, [{"name": name} for name in there])


def _warehouses(ask: Ask, names: list[str]) -> Iterator[Finding]:
    held = {row["name"]: row for row in ask("show warehouses")}
    yield from _missing("warehouse", names, list(held.values()))
    for row in (held[name] for name in names if name in held):
        subject = f"warehouse {row['name']}"
        if not 0 < int(row["auto_suspend"] or 0) <= SUSPEND_SECONDS:
            yield Finding(subject, "does not suspend itself soon", REMEDY)
        if str(row["auto_resume"]).lower() != "true":
            yield Finding(subject, "does not start by itself", REMEDY)
        if str(row.get("resource_monitor") or "null").lower() == "null":
            yield Finding(subject, "has no resource monitor", REMEDY)


def _users(ask: Ask, names: list[str]) -> Iterator[Finding]:
    held = {row["name"]: row for row in ask("show users")}
    yield from _missing("user", names, list(held.values()))
    for row in (held[name] for name in names if name in held):
        subject = f"user {row['name']}"
        if str(row.get("type") or "").upper() != "SERVICE":
            yield Finding(
                subject, "is no service user", f"alter user {row['name']} set type = service, then {REMEDY}"
            )
        if str(row.get("has_rsa_public_key", "")).lower() != "true":
            yield Finding(subject, "has no public key", REMEDY)
        if str(row.get("has_password", "")).lower() == "true":
            yield Finding(subject, "has a password", f"alter user {row['name']} unset password")
        if str(row.get("disabled", "")).lower() == "true":
            yield Finding(subject, "is disabled", f"alter user {row['name']} set disabled = false")


def _grants(ask: Ask, wanted: list[Grant], known: list[Thing]) -> Iterator[Finding]:
    """Each wanted grant is there, and our roles have no other one."""
    roles = [thing.name for thing in known if thing.kind == "ROLE"]
    databases = [thing.name for thing in known if thing.kind == "DATABASE"]
    held: set[Grant] = set()
    for role in roles:
        held |= {_grant(row, role) for row in ask(f"show grants to role {role}")}
    for user in (thing.name for thing in known if thing.kind == "USER"):
        rows = ask(f"show grants to user {user}")
        held |= {Grant(user, "USAGE", "ROLE", row["role"], to="USER") for row in rows}
    for role, parent in ((g.name, g.grantee) for g in wanted if g.kind == "ROLE" and g.grantee not in roles):
        if any(row["grantee_name"] == parent for row in ask(f"show grants of role {role}")):
            held.add(Grant(parent, "USAGE", "ROLE", role))
    for place in [f"database {name}" for name in databases] + [
        f"schema {thing.name}" for thing in known if thing.kind == "SCHEMA"
    ]:
        held |= {_future(row) for row in ask(f"show future grants in {place}")}
    yield from compare(wanted, held, roles)


def compare(wanted: list[Grant], held: set[Grant], roles: list[str]) -> Iterator[Finding]:
    """What of `wanted` is missing, and what `roles` hold beyond it."""
    # "on all tables" is done when it is said: what was there then shows as grants on single ones
    lasting = [grant for grant in wanted if grant.scope != "all"]
    missing = [grant for grant in lasting if grant not in held]
    for grant in missing:
        yield Finding("grant", f"{grant.line()} is not there", REMEDY)
    if not missing:
        yield Finding("grants", f"all {len(lasting)} are there")
    for grant in sorted(held):
        if grant.grantee in roles and grant not in lasting and not _follows(grant, wanted):
            yield Finding("grant", f"{grant.line()} is more than the files give", f"revoke {_revoke(grant)}")


def _follows(grant: Grant, wanted: list[Grant]) -> bool:
    """Whether a grant comes of another one: by "all" and "future", by ownership, by publishing."""
    if grant.scope == "future":
        return False
    for one in wanted:
        same = one.grantee == grant.grantee
        within = grant.name == one.name or grant.name.startswith(f"{one.name}.")
        if (
            same
            and one.scope != "one"
            and (one.privilege, one.kind) == (grant.privilege, grant.kind)
            and within
        ):
            return True
        makes = one.privilege in ("CREATE SCHEMA", "CREATE TABLE", "CREATE STAGE", "OWNERSHIP")
        if same and makes and grant.privilege in OWN and within:
            return True
        shown = one.kind == "SCHEMA" and one.name.endswith(f".{PUBLISHED}") and one.privilege == "USAGE"
        if same and shown and grant.privilege in ("USAGE", "SELECT") and _is_version(grant.name, one.name):
            return True
    return False


def _is_version(name: str, published: str) -> bool:
    """Whether it is the published schema, a version of it (MARTS_NEXT, MARTS_<run>), or something in one."""
    schema = ".".join(name.split(".")[:2])
    return schema == published or (schema.startswith(f"{published}_") and not schema.endswith("_RESTRICTED"))


def _revoke(grant: Grant) -> str:
    if grant.kind == "ROLE":
        return f"role {grant.name} from {grant.to.lower()} {grant.grantee}"
    what = f"{grant.kind} {grant.name}" if grant.scope == "one" else f"future {grant.kind}s in {grant.name}"
    return f"{grant.privilege} on {what} from role {grant.grantee}"


def _grant(row: dict[str, Any], role: str) -> Grant:
    """A row of SHOW GRANTS TO ROLE; transient tables and views keep their own kinds."""
    kind = str(row["granted_on"]).upper().replace("_", " ")
    return Grant(role, str(row["privilege"]).upper(), kind, str(row["name"]).upper())


def _future(row: dict[str, Any]) -> Grant:
    """A row of SHOW FUTURE GRANTS, whose name is like `RAW.<TABLE>`."""
    within = str(row["name"]).upper().partition(".<")[0]
    kind = str(row["grant_on"]).upper()
    return Grant(str(row["grantee_name"]).upper(), str(row["privilege"]).upper(), kind, within, "future")
