"""The Snowflake destination before it reaches anything: its configuration, its key, what its statements say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from snowflake.connector import errors

from airbyte_config.definitions import load
from airbyte_local.api.configurations import DestinationSnowflake
from airbyte_local.destinations.snowflake.account import Account, private_key
from airbyte_local.destinations.snowflake.errors import MAX_REASON, explained, passes
from airbyte_local.destinations.snowflake.quoting import literal, named
from foundation.errors import EltError
from foundation.settings import load_settings

CONFIGURATION = {
    "host": "xy12345.eu-central-1.snowflakecomputing.com",
    "role": "LOADER",
    "warehouse": "LOADING",
    "database": "RAW",
    "schema": "PUBLIC",
    "username": "AIRBYTE",
    "credentials": {"auth_type": "Username and Password", "password": "nobody may see this"},
}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_the_account_is_the_part_before_snowflakes_domain() -> None:
    account = Account.of(CONFIGURATION)
    assert (account.name, account.protocol, account.port) == ("xy12345.eu-central-1", "https", 443)
    assert "nobody may see this" not in f"{account!r} {account}"


def test_only_this_machine_is_reached_without_tls() -> None:
    with pytest.raises(EltError, match="only for an emulator on this machine"):
        Account.of(CONFIGURATION | {"jdbc_url_params": "ssl=off"})
    local = Account.of(CONFIGURATION | {"host": "127.0.0.1:8084", "jdbc_url_params": "ssl=off"})
    assert (local.protocol, local.port) == ("http", 8084)


def test_the_file_of_the_production_destination_is_accepted(tmp_path: Path) -> None:
    given = {
        "ELT_HOME": str(tmp_path),
        "AIRBYTE_DESTINATION": "snowflake",
        "SNOWFLAKE_HOST": "xy12345.snowflakecomputing.com",
        "SNOWFLAKE_LOADER_PRIVATE_KEY": "any",  # pragma: allowlist secret
    }
    document = load(settings=load_settings(given)).destinations["warehouse"].configuration
    accepted = DestinationSnowflake.model_validate(document.model_dump())
    assert (accepted.role, accepted.warehouse, accepted.database) == ("LOADER", "LOADING", "RAW")


@pytest.mark.parametrize("passphrase", [None, "a passphrase"])
@pytest.mark.parametrize("escaped", [False, True], ids=["lines", "escaped line ends"])
def test_a_private_key_is_read_as_it_is_given(
    key: rsa.RSAPrivateKey, passphrase: str | None, escaped: bool
) -> None:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()
    der = private_key(text.replace("\n", "\\n") if escaped else text, passphrase)
    assert load_der_private_key(der, None).private_numbers() == key.private_numbers()


@pytest.mark.parametrize(
    ("text", "passphrase", "remedy"),
    [
        ("no key", None, "PEM"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", "wrong", "private_key_password"),
    ],
)
def test_a_key_that_cannot_be_read_is_not_repeated(text: str, passphrase: str | None, remedy: str) -> None:
    with pytest.raises(EltError) as error:
        private_key(text, passphrase)
    assert remedy in error.value.remedy
    assert "AAAA" not in str(error.value)
    assert "wrong" not in str(error.value)


def test_names_and_texts_are_quoted_as_snowflake_reads_them() -> None:
    assert named("raw", 'a "b"') == '"RAW"."A ""B"""'
    assert literal("it's \\n") == "'it''s \\\\n'"


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.OperationalError(msg="250003: away", errno=250003), True),
        (errors.ServiceUnavailableError(msg="503"), True),
        (errors.TooManyRequests(msg="429"), True),
        (errors.ProgrammingError(msg="session expired", errno=390112), True),
        (errors.ProgrammingError(msg="syntax error", errno=1003), False),
        (errors.DatabaseError(msg="wrong password", errno=390100), False),
        (errors.NonRetryableTlsError(msg="certificate"), False),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(error: errors.Error, again: bool) -> None:
    assert passes(error) is again


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (errors.ProgrammingError(msg="No active warehouse selected", errno=606), "grant usage"),
        (errors.ProgrammingError(msg="Insufficient privileges", errno=3001), "grant create schema"),
        (errors.ProgrammingError(msg="has locked table", errno=625), "system$abort_transaction"),
        (errors.ProgrammingError(msg="no current database", errno=90105), "create it"),
        (errors.ProgrammingError(msg=json.dumps(["x" * 9000]), errno=1), "job's log"),
    ],
)
def test_an_error_is_one_line_with_its_remedy(error: errors.Error, remedy: str) -> None:
    told = explained(error, "Snowflake h, database RAW", "stream shop.orders")
    assert told.message.startswith("stream shop.orders: ")
    assert remedy in told.remedy
    assert len(told.message) < MAX_REASON + 300
    assert "\n" not in str(told)
