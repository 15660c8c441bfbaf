"""The registry's HTTP API: paths, answers and error codes are those of Confluent's.

Every call but `/health` needs the user STREAM_REGISTRY_USER and its password (HTTP Basic). Schemas are Avro's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from foundation.limits.brake import Brake, unguessable
from foundation.limits.requests import Scope
from foundation.limits.strict_json import UnfitError, loads, texts
from streaming.registry.avro import InvalidSchemaError, Type, compact, parse
from streaming.registry.compatibility import Break, Level, broken
from streaming.registry.store import Reader, Store, UnavailableError, Version

MEDIA = "application/vnd.schemaregistry.v1+json"
MODES = ("READWRITE", "READONLY", "READONLY_OVERRIDE")
LARGEST = 1 << 20  # bytes of a request
DEPTH, REFERENCES = 10, 100  # of references, and how many schemas they lead to
EVERY = ""  # the subject whose settings hold for all that have none


class Refused(Exception):
    """What the API answers instead: its own code, of which the first three digits are the status, and why."""

    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def no_subject(subject: str) -> Refused:
    return Refused(40401, f"Subject '{subject}' not found.")


def no_version(version: object) -> Refused:
    return Refused(40402, f"Version {version} not found.")


class Api:
    """Handlers over one store."""

    def __init__(self, store: Store, user: str, password: str) -> None:
        self._store, self._user, self._password = store, user, password
        self._brake = Brake("registry")
        subject, version = "/subjects/{subject:path}", "/versions/{version}"
        paths: dict[str, dict[str, Callable[[Request], Any]]] = {
            "/": {"GET": lambda _: {}},
            "/schemas/types": {"GET": lambda _: ["AVRO"]},
            "/schemas/ids/{id}/subjects": {"GET": self.subjects_of_schema},
            "/schemas/ids/{id}/versions": {"GET": self.versions_of_schema},
            "/schemas/ids/{id}/schema": {"GET": self.body_of_schema},
            "/schemas/ids/{id}": {"GET": self.schema},
            "/subjects": {"GET": self.subjects},
            f"{subject}{version}/schema": {"GET": self.body_of_version},
            f"{subject}{version}/referencedby": {"GET": self.referenced_by},
            f"{subject}{version}": {"GET": self.version, "DELETE": self.delete_version},
            f"{subject}/versions": {"GET": self.versions, "POST": self.register},
            subject: {"POST": self.look_up, "DELETE": self.delete_subject},
            f"/compatibility{subject}{version}": {"POST": self.compatible},
            f"/compatibility{subject}/versions": {"POST": self.compatible},
            "/config/{subject:path}": {
                "GET": self.level,
                "PUT": self.set_level,
                "DELETE": self.unset_level,
            },
            "/config": {"GET": self.level, "PUT": self.set_level, "DELETE": self.unset_level},
            "/mode/{subject:path}": {
                "GET": self.mode,
                "PUT": self.set_mode,
                "DELETE": self.unset_mode,
            },
            "/mode": {"GET": self.mode, "PUT": self.set_mode},
        }
        self.app = Starlette(
            routes=[
                Route("/health", self.health, methods=["GET"]),
                *(self._route(path, handlers) for path, handlers in paths.items()),
            ],
            exception_handlers={HTTPException: _unknown},
        )

    # ------------------------------------------------------------------------------------------------ who may

    def knows(self, scope: Scope) -> bool:
        """Whether a request's header has the user and the password (compared in constant time)."""
        return self._right(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))

    def _right(self, header: str) -> bool:
        wanted = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        scheme, _, given = header.partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), wanted.encode())

    def _admit(self, request: Request) -> Response | None:
        """What to answer who is not let in."""
        header = request.headers.get("authorization", "")
        address = request.client.host if request.client else ""
        user, right = _user(header), self._right(header)
        if (wait := self._brake.wait(address, user)) and not (right and unguessable(self._password)):
            return _error(42901, "too many wrong passwords", {"Retry-After": str(math.ceil(wait))})
        if header:
            self._brake.tried(address, user, right=right)
        if right:
            return None
        return _error(40101, "user and password are needed", {"WWW-Authenticate": 'Basic realm="registry"'})

    def _route(self, path: str, handlers: dict[str, Callable[[Request], Any]]) -> Route:
        async def body_of(request: Request) -> None:
            request.state.body = await request.body()

        def answer(request: Request) -> Response:
            if refused := self._admit(request):
                return refused
            try:
                _see_that_it_can_be_kept(request)
                found = handlers[request.method](request)
            except Refused as refusal:
                return _error(refusal.code, refusal.message)
            except InvalidSchemaError as error:
                return _error(42201, f"Invalid schema: {error}")
            except UnavailableError as error:
                return _error(
                    50301, f"the registry's database does not answer: {error}", {"Retry-After": "5"}
                )
            return found if isinstance(found, Response) else JSONResponse(found, media_type=MEDIA)

        async def endpoint(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool

            await body_of(request)
            return await run_in_threadpool(answer, request)  # the database is asked in threads

        return Route(path, endpoint, methods=list(handlers))

    # ------------------------------------------------------------------------------------------------ schemas

    def health(self, request: Request) -> Response:
        """Whether the database answers, too."""
        try:
            with self._store.reading() as reader:
                reader.greatest()
        except UnavailableError:
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    def schema(self, request: Request) -> Any:
        """The schema that has a number."""
        with self._store.reading() as reader:
            body, references = _schema(reader, request)
            found: dict[str, Any] = {"schema": body}
            if references:
                found["references"] = references
            if _is(request, "fetchMaxId"):
                found["maxId"] = reader.greatest()
            return found

    def body_of_schema(self, request: Request) -> Response:
        with self._store.reading() as reader:
            return Response(_schema(reader, request)[0], media_type=MEDIA)

    def subjects_of_schema(self, request: Request) -> list[str]:
        return sorted({each.subject for each in self._of_schema(request)})

    def versions_of_schema(self, request: Request) -> list[dict[str, Any]]:
        return [{"subject": each.subject, "version": each.version} for each in self._of_schema(request)]

    def _of_schema(self, request: Request) -> list[Version]:
        with self._store.reading() as reader:
            _schema(reader, request)
            return reader.of_schema(_number(request.path_params["id"]), deleted=_is(request, "deleted"))

    # ------------------------------------------------------------------------------------------------ subjects

    def subjects(self, request: Request) -> list[str]:
        with self._store.reading() as reader:
            prefix = request.query_params.get("subjectPrefix", "")
            return reader.subjects(prefix, deleted=_is(request, "deleted"))

    def versions(self, request: Request) -> list[int]:
        with self._store.reading() as reader:
            found = reader.versions(_subject(request), deleted=_is(request, "deleted"))
        if not found:
            raise no_subject(_subject(request))
        return [each.version for each in found]

    def version(self, request: Request) -> dict[str, Any]:
        with self._store.reading() as reader:
            return _told(_version(reader, request, deleted=_is(request, "deleted")))

    def body_of_version(self, request: Request) -> Response:
        with self._store.reading() as reader:
            return Response(_version(reader, request).body, media_type=MEDIA)

    def referenced_by(self, request: Request) -> list[int]:
        """Numbers of schemas that use this one's names."""
        with self._store.reading() as reader:
            return _referrers(reader, _version(reader, request, deleted=True))

    def look_up(self, request: Request) -> dict[str, Any]:
        """The version of a subject that has this schema."""
        wanted = _wanted(request)
        with self._store.reading() as reader:
            found = reader.versions(_subject(request), deleted=_is(request, "deleted"))
            if not found:
                raise no_subject(_subject(request))
            parse(wanted.body, _referenced(reader, wanted.references))
        for each in reversed(found):
            if wanted.is_that_of(each):
                return _told(each)
        raise Refused(40403, "Schema not found")

    def register(self, request: Request) -> dict[str, Any]:
        """The schema as the subject's newest version, if its level lets it in; what is there already keeps number and version."""
        wanted, subject = _wanted(request), _subject(request)
        with self._store.writing() as writer:
            new = parse(wanted.body, _referenced(writer, wanted.references))
            there = writer.versions(subject)
            for each in reversed(there):
                if wanted.is_that_of(each):
                    return _told(each)
            _see_that_writing_is_allowed(writer, subject)
            if breaks := _breaks(writer, subject, new, there[::-1]):
                level = _level(writer, subject)
                raise Refused(
                    40901,
                    f'Schema being registered is incompatible with an earlier schema for subject "{subject}", details: '
                    f"[{', '.join(map(str, breaks))}, {{compatibility: '{level}'}}]",
                )
            number = writer.number_of(wanted.body, wanted.references)
            version = writer.add(subject, number)
        return _told(Version(subject, version, number, wanted.body, wanted.references, False))

    def delete_subject(self, request: Request) -> list[int]:
        """Hide all versions of a subject; with `permanent` forget those that were hidden before."""
        subject, for_good = _subject(request), _is(request, "permanent")
        with self._store.writing() as writer:
            _see_that_writing_is_allowed(writer, subject)
            every = writer.versions(subject, deleted=True)
            if not every:
                raise no_subject(subject)
            chosen = [each for each in every if each.deleted is for_good]
            if for_good and len(chosen) < len(every):
                raise Refused(
                    40405, f"Subject '{subject}' was not deleted first before being permanently deleted"
                )
            if not chosen:
                raise Refused(
                    40404, f"Subject '{subject}' was soft deleted. Set permanent=true to delete permanently"
                )
            for each in chosen:
                _see_that_nobody_refers(writer, each)
            numbers = [each.version for each in chosen]
            writer.delete(subject, numbers, for_good=for_good)
        return numbers

    def delete_version(self, request: Request) -> int:
        subject, for_good = _subject(request), _is(request, "permanent")
        with self._store.writing() as writer:
            _see_that_writing_is_allowed(writer, subject)
            found = _version(writer, request, deleted=True)
            if for_good and not found.deleted:
                raise Refused(
                    40407,
                    f"Subject '{subject}' Version {found.version} was not deleted first before being permanently deleted",
                )
            if not for_good and found.deleted:
                raise Refused(
                    40406,
                    f"Subject '{subject}' Version {found.version} was soft deleted. Set permanent=true to delete permanently",
                )
            _see_that_nobody_refers(writer, found)
            writer.delete(subject, [found.version], for_good=for_good)
        return found.version

    # ------------------------------------------------------------------------------------------------ rules

    def compatible(self, request: Request) -> dict[str, Any]:
        """Whether a schema could be registered: against one version by the level's direction, or against all that count."""
        wanted, subject = _wanted(request), _subject(request)
        with self._store.reading() as reader:
            new = parse(wanted.body, _referenced(reader, wanted.references))
            there = reader.versions(subject)
            if "version" in request.path_params:
                if not there:
                    raise no_subject(subject)
                there = [_version(reader, request)]
            breaks = _breaks(reader, subject, new, there[::-1])
        found: dict[str, Any] = {"is_compatible": not breaks}
        if _is(request, "verbose"):
            found["messages"] = [str(each) for each in breaks]
        return found

    def level(self, request: Request) -> dict[str, str]:
        """A subject's own level, or, with `defaultToGlobal`, the one that holds for it."""
        subject = _subject(request)
        with self._store.reading() as reader:
            found = reader.setting(subject, "compatibility")
            if found is None and (not subject or _is(request, "defaultToGlobal")):
                found = _level(reader, subject)
        if found is None:
            raise Refused(40408, f"Subject '{subject}' does not have subject-level compatibility configured")
        return {"compatibilityLevel": found}

    def set_level(self, request: Request) -> dict[str, str]:
        given = _body(request).get("compatibility")
        if not isinstance(given, str) or given.upper() not in Level.__members__:
            raise Refused(42203, f"Invalid compatibility level. Valid values are {', '.join(Level)}")
        with self._store.writing() as writer:
            writer.set(_subject(request), "compatibility", given.upper())
        return {"compatibility": given.upper()}

    def unset_level(self, request: Request) -> dict[str, str]:
        subject = _subject(request)
        with self._store.writing() as writer:
            before = writer.setting(subject, "compatibility")
            if before is None and subject:
                raise no_subject(subject)
            writer.unset(subject, "compatibility")
            return {"compatibilityLevel": before or _level(writer, EVERY)}

    def mode(self, request: Request) -> dict[str, str]:
        subject = _subject(request)
        with self._store.reading() as reader:
            found = reader.setting(subject, "mode")
            if found is None and (not subject or _is(request, "defaultToGlobal")):
                found = _mode(reader, subject)
        if found is None:
            raise Refused(40409, f"Subject '{subject}' does not have subject-level mode configured")
        return {"mode": found}

    def set_mode(self, request: Request) -> dict[str, str]:
        given = _body(request).get("mode")
        if not isinstance(given, str) or given.upper() not in MODES:
            raise Refused(42204, f"Invalid mode. Valid values are {', '.join(MODES)}")
        with self._store.writing() as writer:
            writer.set(_subject(request), "mode", given.upper())
        return {"mode": given.upper()}

    def unset_mode(self, request: Request) -> dict[str, str]:
        subject = _subject(request)
        with self._store.writing() as writer:
            before = writer.setting(subject, "mode")
            if before is None:
                raise no_subject(subject)
            writer.unset(subject, "mode")
        return {"mode": before}


# ---------------------------------------------------------------------------------------------------- requests


class _Wanted:
    """The schema of a request, in the form in which it is kept."""

    def __init__(self, body: str, references: list[dict[str, Any]], *, normalized: bool) -> None:
        self._sorted = normalized
        self.body, self.references = compact(body, sorted_names=normalized), references

    def is_that_of(self, there: Version) -> bool:
        body = compact(there.body, sorted_names=True) if self._sorted else there.body
        return body == self.body and there.references == self.references


def _wanted(request: Request) -> _Wanted:
    given = _body(request)
    if (kind := given.get("schemaType") or "AVRO") != "AVRO":
        raise Refused(42201, f"Invalid schema type {str(kind)[:20]!a}: here all schemas are AVRO")
    text = given.get("schema")
    if not isinstance(text, str) or not text.strip():
        raise Refused(42201, "Invalid schema: `schema` is a text that holds one")
    references = given.get("references") or []
    if not isinstance(references, list) or not all(map(_is_reference, references)):
        raise Refused(42201, "Invalid schema: `references` is a list of {name, subject, version}")
    kept = [{name: each[name] for name in ("name", "subject", "version")} for each in references]
    return _Wanted(text, kept, normalized=_is(request, "normalize"))


def _is_reference(each: Any) -> bool:
    match each:
        case {"name": str(), "subject": str(), "version": int(version)} if not isinstance(version, bool):
            return True
    return False


def _body(request: Request) -> dict[str, Any]:
    try:
        found = loads(request.state.body)
        for path, text in texts(found):
            if "\0" in text:
                raise UnfitError("holds a NUL character", path)
    except UnfitError as error:
        place = ascii(".".join(map(str, error.path)))[1:-1][:80] if error.path else "the body"
        raise Refused(42201, f"{place} {error.reason}") from None
    except ValueError as error:
        raise Refused(42201, f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(42201, "the body is no JSON object")
    return found


def _see_that_it_can_be_kept(request: Request) -> None:
    """PostgreSQL's texts have no NUL."""
    for name, value in (*request.path_params.items(), *request.query_params.items()):
        if "\0" in value:
            raise Refused(42208, f"{name[:64]!a} holds a NUL character")


def _is(request: Request, flag: str) -> bool:
    return request.query_params.get(flag, "").lower() == "true"


def _subject(request: Request) -> str:
    return str(request.path_params.get("subject", EVERY))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused(40403, f"Schema {text[:20]} not found")
    return int(text)


def _user(header: str) -> str:
    try:
        return base64.b64decode(header.partition(" ")[2], validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


# ---------------------------------------------------------------------------------------------------- the store's answers


def _schema(reader: Reader, request: Request) -> tuple[str, list[dict[str, Any]]]:
    number = _number(request.path_params["id"])
    found = reader.schema(number)
    if found is None:
        raise Refused(40403, f"Schema {number} not found")
    return found


def _version(reader: Reader, request: Request, *, deleted: bool = False) -> Version:
    """The version that the path names: a number, `latest` or -1."""
    subject, given = _subject(request), request.path_params["version"]
    found = reader.versions(subject, deleted=deleted)
    if not found:
        raise no_subject(subject)
    if given in ("latest", "-1"):
        return found[-1]
    if not given.isascii() or not given.isdigit() or len(given) > 10 or not 0 < int(given) < 1 << 31:
        raise Refused(
            42202,
            f"The specified version '{given[:20]}' is not a valid version id. Allowed values are between [1, 2^31-1] and the"
            ' string "latest"',
        )
    for each in found:
        if each.version == int(given):
            return each
    raise no_version(given)


def _told(version: Version) -> dict[str, Any]:
    found: dict[str, Any] = {
        "subject": version.subject,
        "id": version.id,
        "version": version.version,
        "schema": version.body,
    }
    return found | ({"references": version.references} if version.references else {})


def _referenced(reader: Reader, references: list[dict[str, Any]]) -> list[str]:
    """The bodies of the schemas that are referred to, each once and behind those that it needs. Raises InvalidSchemaError."""
    bodies: dict[str, None] = {}
    _refer(reader, references, 0, set(), bodies)
    return list(bodies)


def _refer(
    reader: Reader,
    references: list[dict[str, Any]],
    depth: int,
    seen: set[tuple[str, int]],
    bodies: dict[str, None],
) -> None:
    if depth > DEPTH:
        raise InvalidSchemaError(f"references are nested deeper than {DEPTH} levels")
    for each in references:
        named = each["subject"], each["version"]
        if named in seen:
            continue
        seen.add(named)
        if len(seen) > REFERENCES:
            raise InvalidSchemaError(f"it refers to more than {REFERENCES} schemas")
        found = reader.one(*named)
        if found is None:
            raise InvalidSchemaError(f"there is no version {named[1]} of {named[0]}, which it refers to")
        _refer(reader, found.references, depth + 1, seen, bodies)
        bodies.setdefault(found.body)


def _breaks(reader: Reader, subject: str, new: Type, earlier: list[Version]) -> list[Break]:
    """What the subject's level has against a new version; `earlier`: the latest first."""
    level = _level(reader, subject)
    counted = earlier if level.transitive else earlier[:1]
    if level is Level.NONE:
        return []
    return broken(level, new, [parse(each.body, _referenced(reader, each.references)) for each in counted])


def _level(reader: Reader, subject: str) -> Level:
    found = reader.setting(subject, "compatibility") or reader.setting(EVERY, "compatibility")
    return Level(found) if found else Level.BACKWARD


def _mode(reader: Reader, subject: str) -> str:
    every = reader.setting(EVERY, "mode") or "READWRITE"
    return every if every == "READONLY_OVERRIDE" else reader.setting(subject, "mode") or every


def _see_that_writing_is_allowed(reader: Reader, subject: str) -> None:
    if (mode := _mode(reader, subject)) != "READWRITE":
        raise Refused(42205, f"Subject '{subject}' is in {mode} mode")


def _referrers(reader: Reader, version: Version) -> list[int]:
    query = """select distinct s.id from schema as s join version as v on v.schema_id = s.id
        where s."references" @> jsonb_build_array(jsonb_build_object('subject', %s::text, 'version', %s::integer)) order by 1"""
    return [number for (number,) in reader.connection.execute(query, [version.subject, version.version])]


def _see_that_nobody_refers(reader: Reader, version: Version) -> None:
    if found := _referrers(reader, version):
        raise Refused(
            42206,
            f"One or more references exist to the schema {{subject={version.subject},version={version.version}}}: {found}",
        )


def _error(code: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error_code": 409 if code == 40901 else code, "message": message}
    return JSONResponse(body, code // 100, headers, MEDIA)


def _unknown(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _error(error.status_code * 100, str(error.detail), dict(error.headers or {}))
