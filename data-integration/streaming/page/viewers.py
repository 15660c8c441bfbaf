"""Who may look at the embedded page, and at which territory's orders (STREAM_VIEWERS)."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

from foundation.settings import Settings

EVERY = "all"


@dataclass(frozen=True)
class Viewer:
    """`territory`: its number in the shop; None: he sees all."""

    name: str
    territory: int | None
    password: str = field(repr=False)

    @property
    def rules(self) -> list[dict[str, str]]:
        """What Superset adds to the condition of every query of his."""
        return [] if self.territory is None else [{"clause": f"territory_id = {self.territory:d}"}]


def viewers(config: Settings) -> dict[str, Viewer]:
    """The viewers by name. A password is made of STREAM_VIEWER_SECRET and the name; another secret makes all of them others."""
    secret = config.stream_viewer_secret.get_secret_value().encode()
    found = {}
    for each in config.stream_viewers.split(","):
        name, _, territory = each.strip().partition(":")
        digest = hmac.digest(secret, name.encode(), "sha256")
        password = base64.urlsafe_b64encode(digest[:24]).decode()
        found[name] = Viewer(name, None if territory == EVERY else int(territory), password)
    return found
