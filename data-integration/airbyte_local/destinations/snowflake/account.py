"""The account: where it is, who logs in, and a session there whose statements carry a tag and are tried again where that is safe."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from snowflake import connector
from snowflake.connector import errors
from snowflake.connector.cursor import SnowflakeCursor

from airbyte_local.destinations.snowflake.errors import (
    LostError,
    explained,
    passes,
    reason,
    refused_login,
    unreachable,
)
from foundation.errors import EltError

log = logging.getLogger(__name__)
logging.getLogger("snowflake.connector").setLevel(logging.WARNING)  # it tells of every connection and file

T = TypeVar("T")

CLOUD = ".snowflakecomputing."
LOOPBACK = ("127.0.0.1", "localhost")
LOGIN_SECONDS = 60
NETWORK_SECONDS = 300  # that the connector goes on asking a service that is busy or away
PAUSES = (1.0, 5.0, 15.0)  # before each further try in a session of its own

# what the statements here count on, whatever the account or the user has
PARAMETERS = {
    "TIMEZONE": "UTC",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "BINARY_INPUT_FORMAT": "HEX",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "ERROR_ON_NONDETERMINISTIC_MERGE": True,
    "ABORT_DETACHED_QUERY": True,  # nothing runs on for a job that was killed
    "AUTOCOMMIT": True,
    "CLIENT_TELEMETRY_ENABLED": False,
}


@dataclass(frozen=True)
class Account:
    """A configured destination's account, login and place in it. The secrets are not shown."""

    host: str
    port: int
    protocol: str
    user: str
    role: str
    warehouse: str
    database: str
    credentials: dict[str, Any] = field(repr=False)
    options: dict[str, str]

    @classmethod
    def of(cls, configuration: dict[str, Any]) -> Account:
        """From Airbyte's keys. Without TLS only to this machine."""
        host, _, port = configuration["host"].partition(":")
        options = dict(parse_qsl(configuration.get("jdbc_url_params") or ""))
        plain = options.pop("ssl", "on") == "off"
        if plain and host not in LOOPBACK:
            raise EltError(
                f"{host}: ssl=off in jdbc_url_params is only for an emulator on this machine",
                "take ssl=off out of jdbc_url_params",
            )
        return cls(
            host=host,
            port=int(port or (80 if plain else 443)),
            protocol="http" if plain else "https",
            user=configuration["username"],
            role=configuration["role"],
            warehouse=configuration["warehouse"],
            database=configuration["database"],
            credentials=configuration.get("credentials") or {},
            options=options,
        )

    def __str__(self) -> str:
        return f"Snowflake {self.host}, database {self.database}"

    @property
    def name(self) -> str:
        """The account's identifier: the part before Snowflake's domain."""
        return self.host.partition(CLOUD)[0] if CLOUD in self.host else "local"

    def login(self) -> dict[str, Any]:
        """What proves the user: a private key, or a password. Raises EltError when the key cannot be read."""
        if "private_key" not in self.credentials:
            return {"password": self.credentials.get("password", "")}
        return {
            "authenticator": "SNOWFLAKE_JWT",
            "private_key": private_key(
                self.credentials["private_key"], self.credentials.get("private_key_password")
            ),
        }


def private_key(text: str, password: str | None) -> bytes:
    """A PEM key as the connector wants it. Line ends may have become `\\n` on the way through an environment."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    pem = text.replace("\\n", "\n").encode()
    try:
        key = load_pem_private_key(pem, password.encode() if password else None)
    except (TypeError, ValueError) as error:
        encrypted = "ENCRYPTED" in text
        raise EltError(
            f"the destination's private_key cannot be read ({type(error).__name__})",
            (
                "give private_key_password the key's passphrase"
                if encrypted
                else "give it as PEM (PKCS 8), whole"
            ),
        ) from None
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Link:
    """A session in the account, and a new one in its place when it is lost. Errors are EltErrors or LostErrors."""

    def __init__(self, account: Account, job_id: int, lock_seconds: float) -> None:
        self.account = account
        self._tag: dict[str, object] = {"job": job_id}
        self._lock_seconds = lock_seconds
        self.doing = "opening the warehouse"
        self._session = self._login()

    def _login(self) -> connector.SnowflakeConnection:
        account = self.account
        parameters = PARAMETERS | {
            "LOCK_TIMEOUT": max(1, round(self._lock_seconds)),
            "QUERY_TAG": json.dumps(self._tag),
        }
        try:
            return connector.connect(
                account=account.name,
                host=account.host,
                port=account.port,
                protocol=account.protocol,
                user=account.user,
                role=account.role,
                warehouse=account.warehouse,
                database=account.database,
                application="airbyte_local",
                session_parameters=parameters,
                login_timeout=int(account.options.get("loginTimeout", LOGIN_SECONDS)),
                network_timeout=int(account.options.get("networkTimeout", NETWORK_SECONDS * 1000)) // 1000,
                client_session_keep_alive=True,
                **account.login(),
            )
        except errors.Error as error:
            raise refused_login(error, str(account), account.user) from None

    def tag(self, **words: str) -> None:
        """Words for the query tag of every statement from now on, after the job."""
        self._tag |= words

    def run(
        self, sql: str, values: Sequence[Any] | None = None, stream: str | None = None
    ) -> SnowflakeCursor:
        """Run one statement, once. `stream`: the query tag names it."""
        tag = self._tag | ({"stream": stream} if stream else {})
        try:
            return self._session.cursor().execute(
                sql, values, _statement_params={"QUERY_TAG": json.dumps(tag)}
            )
        except errors.Error as error:
            if passes(error):
                raise LostError(reason(error)) from error
            raise explained(error, str(self.account), self.doing) from error

    def rows(self, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """The answer of a query, which may be asked again."""
        return self.repeated(lambda: self.run(sql, values).fetchall())

    def safely(
        self, sql: str, values: Sequence[Any] | None = None, stream: str | None = None
    ) -> SnowflakeCursor:
        """Run a statement that does no harm when it is run again, outside a transaction."""
        return self.repeated(lambda: self.run(sql, values, stream))

    def repeated(self, action: Callable[[], T]) -> T:
        """Do it again in a new session when the connection is lost. Raises EltError when that does not help."""
        for pause in PAUSES:
            try:
                return action()
            except LostError as error:
                log.warning("%s: the connection was lost (%s), again in %.0f s", self.doing, error, pause)
                time.sleep(pause)
                self.reopen()
        try:
            return action()
        except LostError as error:
            raise unreachable(str(self.account), error) from None

    def reopen(self) -> None:
        """A new session; the old one is ended if it can still be reached, and with it its transaction."""
        self.close()
        self._session = self._login()

    def close(self) -> None:
        with suppress(Exception):
            self._session.close(retry=False)

    @contextmanager
    def at(self, doing: str) -> Iterator[None]:
        """Names in an error what was being done."""
        before, self.doing = self.doing, doing
        try:
            yield
        finally:
            self.doing = before
