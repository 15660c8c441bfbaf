"""Which fields of a configuration are secret, and what is shown in their place."""

from __future__ import annotations

from typing import Any

MASK = "******"

# field names of the connectors' specifications that Airbyte marks `airbyte_secret`
SECRET_FIELDS = frozenset(
    {
        "password",
        "ssh_key",
        "tunnel_user_password",
        "client_key",
        "client_key_password",
        "motherduck_api_key",
        "private_key",
        "private_key_password",
        "access_token",
    }
)


def masked(value: Any) -> Any:
    """A configuration as it may be shown: every secret field is `******`, nested ones too."""
    if isinstance(value, dict):
        return {
            key: MASK if key in SECRET_FIELDS and item not in (None, "") else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def unmasked(new: Any, old: Any) -> Any:
    """A new configuration in which `******` stands for the secret that is stored already (as in Airbyte)."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        return {
            key: (
                before.get(key, item)
                if key in SECRET_FIELDS and item == MASK
                else unmasked(item, before.get(key))
            )
            for key, item in new.items()
        }
    return new


def secret_values(value: Any) -> set[str]:
    """Every secret text in a configuration, for a log filter."""
    if isinstance(value, dict):
        own = {str(item) for key, item in value.items() if key in SECRET_FIELDS and item}
        return own.union(*(secret_values(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(secret_values(item) for item in value))
    return set()
