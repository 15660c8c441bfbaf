"""Which fields of a configuration are secret, and what is shown in their place."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

MASK = "******"

# field names of the connectors' specifications that Airbyte marks `airbyte_secret`
SECRET_FIELDS = frozenset(
    {
        "password",
        "ssh_key",
        "tunnel_user_password",
        "ca_certificate",
        "client_certificate",
        "client_key",
        "client_key_password",
        "motherduck_api_key",
        "private_key",
        "private_key_password",
        "access_token",
        "access_key_id",
        "secret_access_key",
    }
)


def masked(value: Any, fields: Set[str] = SECRET_FIELDS) -> Any:
    """A configuration as it may be shown: every secret field is `******`, nested ones too."""
    if isinstance(value, dict):
        return {
            key: MASK if key in fields and item not in (None, "") else masked(item, fields)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item, fields) for item in value]
    return value


def unmasked(new: Any, old: Any, fields: Set[str] = SECRET_FIELDS) -> Any:
    """A new configuration in which `******` stands for the secret that is stored already (as in Airbyte)."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        return {
            key: (
                before.get(key, item)
                if key in fields and item == MASK
                else unmasked(item, before.get(key), fields)
            )
            for key, item in new.items()
        }
    return new


def secret_values(value: Any, fields: Set[str] = SECRET_FIELDS) -> set[str]:
    """Every secret text in a configuration, for a log filter."""
    if isinstance(value, dict):
        own = set().union(*(_texts(item) for key, item in value.items() if key in fields))
        return own.union(*(secret_values(item, fields) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(secret_values(item, fields) for item in value))
    return set()


def _texts(value: Any) -> set[str]:
    """Every text in a secret value, which may be an object."""
    if isinstance(value, dict | list):
        return set().union(*map(_texts, value.values() if isinstance(value, dict) else value))
    return {str(value)} if value not in (None, "", True, False) else set()


def redacted(text: str, secrets: Set[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "******")
    return text
