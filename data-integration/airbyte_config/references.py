"""References to settings inside a file: `{setting: SOURCE_HOST}` and `{secret: SOURCE_READER_PASSWORD}`.

Airbyte has a marker of its own, `${SOURCE_NAMESPACE}`, so ours is a mapping and can't be mistaken for it. A secret is
only ever a reference: one that is written out in a file is refused.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from airbyte_config.documents import At, Document
from elt.settings import Settings

# Names under which Airbyte's connectors keep secrets (their specifications mark them `airbyte_secret`).
SECRET_FIELD = re.compile(
    r"password|passphrase|secret|token|api_?key|private_?key|client_key|ssh_key|credentials_json"
)


def resolve(document: Document, node: Any, at: At, settings: Settings) -> tuple[Any, dict[str, str]]:
    """`node` with its references replaced, and the secrets among them by dotted path.

    Raises EltError with file and line: an unknown setting, one that is empty, a secret that is written out.
    """
    secrets: dict[str, str] = {}

    def value_of(node: Any, at: At, inside: tuple[str, ...]) -> Any:
        if isinstance(node, dict) and set(node) in ({"setting"}, {"secret"}):
            ((kind, name),) = node.items()
            value = _setting(document, at, str(name), secret=kind == "secret", settings=settings)
            if kind == "secret":
                secrets[".".join(inside)] = value
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


def _setting(document: Document, at: At, name: str, *, secret: bool, settings: Settings) -> Any:
    computed = {key for key, value in vars(Settings).items() if isinstance(value, property | cached_property)}
    known = {key.upper() for key in set(Settings.model_fields) | computed}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise document.error(
            at, f"there is no setting {name}", f"did you mean {close[0]}?" if close else "see .env.example"
        )
    value = getattr(settings, name.lower())
    if isinstance(value, SecretStr) != secret:
        kind = "secret" if isinstance(value, SecretStr) else "setting"
        raise document.error(
            at, f"{name} is no {'secret' if secret else 'plain setting'}", f"write {{{kind}: {name}}}"
        )
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value == "":
        raise document.error(at, f"{name} is not set", f"set {name} in .env or the environment")
    return str(value) if isinstance(value, Path) else value
