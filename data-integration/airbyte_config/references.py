"""References inside a file: `{setting: SOURCE_HOST}` to a setting, `{secret: SOURCE_READER_PASSWORD}` to a secret one.

A secret may also be any other variable of the environment (`{secret: CRM_TOKEN}`). Airbyte has a marker of its own,
`${SOURCE_NAMESPACE}`, so ours is a mapping and can't be mistaken for it. A secret is only ever a reference: one that is
written out in a file is refused.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from airbyte_config.documents import At, Document
from foundation.settings import Settings

# Names under which Airbyte's connectors keep secrets (their specifications mark them `airbyte_secret`).
SECRET_FIELD = re.compile(
    r"password|passphrase|secret|token|api_?key|access_key|private_?key|client_key|ssh_key|credentials_json"
)
UNSET = "(not set)"


def resolve(
    document: Document, node: Any, at: At, settings: Settings, *, need_secrets: bool = True
) -> tuple[Any, dict[str, str]]:
    """`node` with its references replaced, and the secrets among them by dotted path.

    Without `need_secrets` one that is not set is UNSET, for who only compares. Raises EltError with file and line: an
    unknown setting, one that is empty, a secret that is written out.
    """
    secrets: dict[str, str] = {}

    def value_of(node: Any, at: At, inside: tuple[str, ...]) -> Any:
        if isinstance(node, dict) and set(node) in ({"setting"}, {"secret"}):
            ((kind, name),) = node.items()
            if kind == "setting":
                return _setting(document, at, str(name), settings)
            value = secrets[".".join(inside)] = _secret(document, at, str(name), settings, need_secrets)
            return value
        if isinstance(node, dict):
            return {key: value_of(child, (*at, key), (*inside, key)) for key, child in node.items()}
        if isinstance(node, list):
            return [value_of(child, (*at, i), (*inside, str(i))) for i, child in enumerate(node)]
        if isinstance(node, str) and inside and SECRET_FIELD.search(inside[-1].lower()):
            raise document.error(
                at, f"{inside[-1]} is written out here", f"refer to it: {inside[-1]}: {{secret: VARIABLE}}"
            )
        return node

    return value_of(node, at, ()), secrets


def _secret(document: Document, at: At, name: str, settings: Settings, needed: bool) -> str:
    if name in _known():
        value = getattr(settings, name.lower())
        if not isinstance(value, SecretStr):
            raise document.error(at, f"{name} is no secret", f"write {{setting: {name}}}")
        given = value.get_secret_value()
    else:
        given = settings.variable(name)
    if not given and needed:
        close = get_close_matches(name, _known(), n=1)
        hint = f", or did you mean {close[0]}?" if close and name not in _known() else ""
        raise document.error(at, f"{name} is not set", f"set {name} in .env or the environment{hint}")
    return given or UNSET


def _setting(document: Document, at: At, name: str, settings: Settings) -> Any:
    if name not in _known():
        close = get_close_matches(name, _known(), n=1)
        raise document.error(
            at, f"there is no setting {name}", f"did you mean {close[0]}?" if close else "see .env.example"
        )
    value = getattr(settings, name.lower())
    if isinstance(value, SecretStr):
        raise document.error(at, f"{name} is no plain setting", f"write {{secret: {name}}}")
    if value == "":
        raise document.error(at, f"{name} is not set", f"set {name} in .env or the environment")
    return str(value) if isinstance(value, Path) else value


def _known() -> set[str]:
    computed = {key for key, value in vars(Settings).items() if isinstance(value, property | cached_property)}
    return {key.upper() for key in set(Settings.model_fields) | computed}
