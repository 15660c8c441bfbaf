"""Reaching the server, and saying exactly why it cannot be reached."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from foundation.errors import EltError
from foundation.scratch import scratch

CONNECT_SECONDS = 10

# Settings of a role, a database or a server that a read must not depend on: limits for ordinary work; the
# text forms of values; the quotes around names, by which the driver knows types; how literals are read. With
# `row_security` off a query that would hide rows is an error.
READER_SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "60s",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "row_security": "off",
}
READER_OPTIONS = " ".join(f"-c {name}={value}" for name, value in READER_SETTINGS.items())
# limits that not every version has (from 14 and 17 on): a connection that names one it does not know is refused
NEWER_LIMITS = "select set_config(name, '0', false) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout')"

# what libpq says → what to do
REMEDIES = (
    ("Connection refused", "start the database, or correct host and port of the source"),
    ("timeout expired", "start the database, or correct host and port of the source"),
    ("could not translate host name", "correct the host of the source"),
    ("Network is unreachable", "correct the host of the source"),
    ("password authentication failed", "correct username and password of the source"),
    ("no password supplied", "give the source a password"),
    ("does not exist", "create it, or correct the source's configuration"),
    ("does not support SSL", "set ssl_mode to disable or prefer"),
    ("certificate verify failed", "correct the ca_certificate of the source, or the server's certificate"),
    ("private key", "correct client_key and client_key_password of the source (ssl_mode)"),
    ("does not match host name", "correct the host of the source, or set ssl_mode to verify-ca"),
    ("certificate", "correct the certificates of the source (ssl_mode)"),
    ("no pg_hba.conf entry", "allow this user, database and TLS mode in the server's pg_hba.conf"),
    ("starting up", "wait until it has started, then sync again"),
    ("shutting down", "start the database, then sync again"),
    ("too many clients", "wait, or raise max_connections of the database"),
)


# Airbyte's field → libpq's parameter, which wants a file
CERTIFICATES = {"ca_certificate": "sslrootcert", "client_certificate": "sslcert", "client_key": "sslkey"}


@dataclass(frozen=True)
class Address:
    """Who connects where. The password is in no text of it."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    ssl_mode: str
    certificates: Mapping[str, str] = field(default_factory=dict, repr=False)  # PEM, by libpq's parameter
    key_password: str = field(default="", repr=False)

    @classmethod
    def of(cls, configuration: dict[str, Any]) -> Address:
        """From the keys of Airbyte's source-postgres, with its defaults."""
        ssl = configuration.get("ssl_mode") or {}
        return cls(
            host=configuration["host"],
            port=int(configuration.get("port", 5432)),
            database=configuration["database"],
            username=configuration["username"],
            password=configuration.get("password") or "",
            ssl_mode=ssl.get("mode", "prefer"),
            certificates={parameter: ssl[name] for name, parameter in CERTIFICATES.items() if ssl.get(name)},
            key_password=ssl.get("client_key_password") or "",
        )

    def __str__(self) -> str:
        return f"PostgreSQL at {self.host}:{self.port}, database {self.database}, user {self.username}"

    @contextmanager
    def conninfo(self, options: str, application: str = "airbyte_local") -> Iterator[str]:
        """libpq's connection string, to be used inside the block; `options` are session settings as `-c name=value`.

        libpq reads certificates from files: they are there, for nobody else, until the block ends.
        """
        with ExitStack() as stack:
            files: dict[str, str] = {}
            if self.certificates:
                folder = stack.enter_context(scratch("job-tls"))
                files = {name: _written(folder / name, pem) for name, pem in self.certificates.items()}
            yield make_conninfo(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.username,
                password=self.password,
                sslmode=self.ssl_mode,
                connect_timeout=CONNECT_SECONDS,
                application_name=application,
                client_encoding="UTF8",  # whatever the database's own is: Arrow knows no other
                options=options,
                **files,
                **({"sslpassword": self.key_password} if self.key_password else {}),
            )


def _written(path: Path, content: str) -> str:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    return str(path)


def connect(address: Address) -> psycopg.Connection:
    """A connection in autocommit. Raises EltError with server, user and reason."""
    try:
        with address.conninfo(READER_OPTIONS) as conninfo:
            connection = psycopg.connect(conninfo, autocommit=True)
            connection.execute(NEWER_LIMITS)
            return connection
    except psycopg.OperationalError as error:
        raise unreachable(address, str(error)) from None


def unreachable(address: Address, message: str) -> EltError:
    """The user's words for a failed or lost connection."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reason = (
        lines[-1] if lines and "FATAL" in lines[-1] else lines[0] if lines else "no reason given"
    ).rpartition("failed: ")[2]
    remedy = next((text for sign, text in REMEDIES if sign in message), "see the database's log")
    return EltError(f"{address}: {reason.removeprefix('FATAL:').strip()}", remedy)
