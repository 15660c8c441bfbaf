"""Secrets: sealed, masked, cut out of logs; tokens that end."""

from __future__ import annotations

import logging

import pytest
from cryptography.fernet import Fernet

from airbyte_local.jobs.report import Redacted
from airbyte_local.masking import masked, secret_values, unmasked
from airbyte_local.vault import Tokens, Vault
from foundation.errors import EltError

NESTED = {
    "host": "h",
    "password": "p1",
    "tunnel_method": {"ssh_key": "k1", "tunnel_port": 22},
    "list": [{"password": "p2"}],
}


def test_every_secret_is_masked_at_any_depth() -> None:
    assert masked(NESTED) == {
        "host": "h",
        "password": "******",
        "tunnel_method": {"ssh_key": "******", "tunnel_port": 22},
        "list": [{"password": "******"}],
    }
    assert masked({"password": ""}) == {"password": ""}
    assert secret_values(NESTED) == {"p1", "p2", "k1"}


def test_a_mask_that_comes_back_stands_for_the_stored_secret() -> None:
    new = {"host": "h2", "password": "******", "tunnel_method": {"ssh_key": "******"}}
    assert unmasked(new, NESTED) == {"host": "h2", "password": "p1", "tunnel_method": {"ssh_key": "k1"}}
    assert unmasked({"password": "new"}, NESTED) == {"password": "new"}


def test_a_sealed_value_opens_only_with_its_key() -> None:
    vault = Vault(Fernet.generate_key().decode())
    sealed = vault.seal({"password": "hush"})
    assert b"hush" not in sealed
    assert vault.open(sealed) == {"password": "hush"}
    with pytest.raises(EltError, match="another key"):
        Vault(Fernet.generate_key().decode()).open(sealed)


def test_a_token_ends_and_belongs_to_its_credentials() -> None:
    tokens = Tokens("id", "secret", "key")
    assert tokens.knows("id", "secret")
    assert not tokens.knows("id", "Secret")
    assert tokens.valid(tokens.issue())
    assert not tokens.valid(tokens.issue(seconds=-1))
    assert Tokens("id", "secret", "key").valid(tokens.issue())  # another process of the same installation
    for other in (
        Tokens("id", "new secret", "key"),
        Tokens("id", "secret", "new key"),
        Tokens("x", "secret", "key"),
    ):
        assert not other.valid(tokens.issue())


def test_no_log_line_holds_a_secret_not_even_a_traceback() -> None:
    formatter = Redacted({"hush"})
    try:
        raise ValueError("the password is hush")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, "f", 1, "hush: %s", ("hush",), sys.exc_info())
    text = formatter.format(record)
    assert "hush" not in text
    assert "******: ******" in text
    assert "ValueError" in text
