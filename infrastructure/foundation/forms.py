"""The forms that the value of a setting can have, each a type with its check: a value of another form is refused when it is read."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator, SecretStr

CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
PLAIN_ADDRESS = r"[^@\s<>;,]+@[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
ADDRESS = re.compile(rf"{PLAIN_ADDRESS}|[^<>@;,]*<{PLAIN_ADDRESS}>")  # the second: Name <name@host>
VIEWER = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,62}):([1-9][0-9]{0,8}|all)")
PORT = "a port is a whole number from 1 to 65535"
POSTGRES_NAME_BYTES = 63


def _port(value: object) -> object:
    if not re.fullmatch(r"\d{1,5}", str(value), re.ASCII) or not 1 <= int(str(value)) <= 65535:
        raise ValueError(PORT)
    return int(str(value))


def _url(value: str) -> str:
    if not value:
        return value
    if not re.match(r"https?://", value):
        raise ValueError("a URL begins with http:// or https://")
    if re.search(r"[\s\\\"<>^`{|}]", value):
        raise ValueError("a URL holds no blank, quote, bracket or backslash")
    try:
        parts = urlsplit(value)
        known = parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"a URL names a host, and {PORT}")
    return value


def _schedule(value: str) -> str:
    if value != "manual":
        from croniter import croniter
        from croniter.croniter import CroniterError

        if not value.startswith("@") and len(value.split()) != 5:
            raise ValueError("a schedule is a cron expression of five fields, or `manual`")
        try:
            croniter(value).get_next()
        except (CroniterError, ValueError, KeyError) as error:
            raise ValueError(
                f"a schedule is a cron expression that comes round, or `manual` ({error})"
            ) from None
    return value


def _line(value: str) -> str:
    if CONTROL.search(value) or value != value.strip():
        raise ValueError("it is one line of text, without control characters and without blanks at its ends")
    return value


def _text(value: str) -> str:
    if CONTROL.search(re.sub(r"[\t\r\n]", "", value)):
        raise ValueError("it is text, without control characters")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if CONTROL.search(value.get_secret_value()):
        raise ValueError("it is one line of text, without control characters")
    return value


def _token(value: SecretStr) -> SecretStr:
    if re.search(r"[^\x21-\x7e]", value.get_secret_value()):
        raise ValueError("a token holds letters, digits and signs of ASCII, without blanks")
    return value


def _key(value: SecretStr) -> SecretStr:
    _text(value.get_secret_value())
    return value


def _fernet(value: SecretStr) -> SecretStr:
    try:
        Fernet(value.get_secret_value())
    except ValueError:
        raise ValueError(
            "a Fernet key is 32 bytes in URL-safe base64, as Fernet.generate_key() makes it"
        ) from None
    return value


def _fernets(value: SecretStr) -> SecretStr:
    for each in value.get_secret_value().split(","):
        _fernet(SecretStr(each))
    return value


def _host(value: str) -> str:
    named = re.fullmatch(r"[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?\.?", value, re.ASCII)
    if value and not named:
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("a host is a name or an address, without scheme, port and blanks") from None
    if re.fullmatch(r"[\d.]+", value):
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("it is no IPv4 address") from None
    return value


def _postgres_name(value: str) -> str:
    _line(value)
    if len(value.encode()) > POSTGRES_NAME_BYTES:
        raise ValueError(f"a name in PostgreSQL has at most {POSTGRES_NAME_BYTES} bytes")
    return value


def _day(value: str) -> str:
    try:
        date.fromisoformat(value if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else "")
    except ValueError:
        raise ValueError("a day is written as 2026-01-31") from None
    return value


def _slot(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,63}", value):
        raise ValueError("the name of a replication slot is up to 63 lower-case letters, digits and _")
    return value


def _snowflake_name(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z_][\w$]{0,254}", value, re.ASCII):
        raise ValueError("a name in Snowflake is letters, digits, _ and $, and begins with no digit")
    return value


def _snowflake_user(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z_][\w$.@-]{0,254}", value, re.ASCII):
        raise ValueError("a user of Snowflake is letters, digits and _ $ . @ -")
    return value


def _account(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", value, re.ASCII):
        raise ValueError("an account is letters, digits and _ . -, without scheme and path")
    return value


def _login(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,62}", value, re.ASCII):
        raise ValueError("the name of a user is letters, digits and _ . -")
    return value


def _executor(value: str) -> str:
    if not re.fullmatch(r"(Local|Celery|Kubernetes)Executor|\w+(\.\w+)+", value, re.ASCII):
        raise ValueError(
            "it should be LocalExecutor, CeleryExecutor, KubernetesExecutor or the path of a class: package.module.Class"
        )
    return value


def _schema_prefix(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z_][\w-]{0,62}", value, re.ASCII):
        raise ValueError("it becomes part of schemas' names: letters, digits, _ and -")
    return value


def _addresses(value: str) -> str:
    _line(value)
    for each in value.split(",") if value else []:
        if not ADDRESS.fullmatch(each.strip()):
            raise ValueError("an e-mail address is name@host; several have commas between them")
    return value


def _viewers(value: str) -> str:
    names = []
    for each in value.split(","):
        if not (found := VIEWER.fullmatch(each.strip())):
            raise ValueError(
                "a viewer is NAME:TERRITORY, as germany:8, or NAME:all; several have commas between them"
            )
        names.append(found[1])
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"the viewer {twice} is there twice")
    return value


def _address(value: str) -> str:
    if "," in value or not value:
        raise ValueError("it is one e-mail address: name@host")
    return _addresses(value)


def _folders(value: str) -> str:
    _line(value)
    for each in value.split(":"):
        try:
            Path(each).expanduser()
        except RuntimeError:
            raise ValueError("a path begins with ~ of a user who is not there") from None
    return value


def _storage(value: str) -> str:
    _line(value)
    if value and not re.match(r"[a-z][a-z0-9]*://[^\s/]|file:///|/", value):
        raise ValueError("a folder is an absolute path, or a place as s3://bucket/folder")
    return value


Port = Annotated[int, BeforeValidator(_port)]
Url = Annotated[str, AfterValidator(_url)]  # or empty
Schedule = Annotated[str, AfterValidator(_schedule)]  # cron of five fields, a preset (`@hourly`), or `manual`
Line = Annotated[str, AfterValidator(_line)]
Text = Annotated[str, AfterValidator(_text)]  # of one line or more
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Token = Annotated[SecretStr, AfterValidator(_token)]  # what travels in a header or a URL's path
Key = Annotated[SecretStr, AfterValidator(_key)]
FernetKey = Annotated[SecretStr, AfterValidator(_fernet)]
FernetKeys = Annotated[
    SecretStr, AfterValidator(_fernets)
]  # the newest first, with commas between, to change them
Host = Annotated[str, AfterValidator(_host)]  # or empty
PostgresName = Annotated[str, AfterValidator(_postgres_name)]
Day = Annotated[str, AfterValidator(_day)]
Slot = Annotated[str, AfterValidator(_slot)]
SnowflakeName = Annotated[str, AfterValidator(_snowflake_name)]  # or empty
SnowflakeUser = Annotated[str, AfterValidator(_snowflake_user)]  # or empty
Account = Annotated[str, AfterValidator(_account)]  # or empty
Login = Annotated[str, AfterValidator(_login)]
Executor = Annotated[str, AfterValidator(_executor)]
SchemaPrefix = Annotated[str, AfterValidator(_schema_prefix)]  # or empty
Addresses = Annotated[str, AfterValidator(_addresses)]  # or empty
Address = Annotated[str, AfterValidator(_address)]
Viewers = Annotated[str, AfterValidator(_viewers)]
Folders = Annotated[str, AfterValidator(_folders)]  # or empty
Storage = Annotated[str, AfterValidator(_storage)]  # or empty
