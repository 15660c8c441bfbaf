"""How a changed secret is noticed although Airbyte never gives one back.

After a secret was sent, its keyed fingerprint (HMAC-SHA256 under AIRBYTE_ENCRYPTION_KEY) is noted under ELT_HOME, by the
resource's id. A secret without a note, or with another one, is sent (again): that is always safe.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from foundation.settings import Settings


class Fingerprints:
    """The notes of one ELT_HOME. Not for two processes at once: `apply` holds its lock around it."""

    def __init__(self, settings: Settings) -> None:
        self.path: Path = settings.home / "airbyte-secrets.json"
        self._key = settings.airbyte_encryption_key.get_secret_value().encode()
        try:
            self._notes: dict[str, dict[str, str]] = dict(json.loads(self.path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            self._notes = {}  # unreadable notes only mean that secrets are sent once more

    def _of(self, resource_id: str, path: str, secret: str) -> str:
        return hmac.new(
            self._key, "\0".join((resource_id, path, secret)).encode(), hashlib.sha256
        ).hexdigest()

    def changed(self, resource_id: str, secrets: dict[str, str]) -> list[str]:
        """Paths of the secrets that Airbyte may not hold yet."""
        known = self._notes.get(resource_id, {})
        return [
            path for path, secret in secrets.items() if known.get(path) != self._of(resource_id, path, secret)
        ]

    def known(self, resource_id: str) -> set[str]:
        """Paths of the secrets that were sent from here."""
        return set(self._notes.get(resource_id, {}))

    def note(self, resource_id: str, secrets: dict[str, str]) -> None:
        """Remember that Airbyte holds these."""
        if not secrets:
            return
        self._notes[resource_id] = {
            path: self._of(resource_id, path, value) for path, value in secrets.items()
        }
        draft = self.path.with_suffix(".tmp")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self._notes, indent=1, sort_keys=True))
        draft.replace(self.path)
