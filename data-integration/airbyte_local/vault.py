"""Secrets at rest, and the tokens that let clients in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from foundation.errors import EltError
from foundation.limits.brake import unguessable

TOKEN_SECONDS = 900


class Vault:
    """Encrypts configurations with the installation's Fernet key."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise EltError(
                "AIRBYTE_ENCRYPTION_KEY is not a Fernet key",
                'make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
            ) from None

    def seal(self, value: Any) -> bytes:
        """Any JSON value as ciphertext."""
        return self._fernet.encrypt(json.dumps(value).encode())

    def open(self, sealed: bytes) -> Any:
        """The value again. Raises EltError when it was sealed with another key."""
        try:
            return json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise EltError(
                "the stored configurations were encrypted with another key",
                "set AIRBYTE_ENCRYPTION_KEY to the key they were written with, or remove the server's home and apply again",
            ) from None


class Tokens:
    """Access tokens for one client: signed, with an end, valid across restarts, void when the secret changes.

    The SDK caches tokens by client and not by server, so a token must outlive the process that gave it.
    """

    def __init__(self, client_id: str, client_secret: str, key: str) -> None:
        self._client_id, self._client_secret = client_id, client_secret
        self.unguessable = unguessable(client_secret)
        self._key = hashlib.sha256(f"access tokens\0{key}\0{client_id}\0{client_secret}".encode()).digest()

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether these are the credentials (compared in constant time)."""
        same_id = hmac.compare_digest(client_id.encode(), self._client_id.encode())
        same_secret = hmac.compare_digest(client_secret.encode(), self._client_secret.encode())
        return same_id and same_secret

    def issue(self, seconds: int = TOKEN_SECONDS) -> str:
        """A bearer token that ends in `seconds`."""
        expires = str(int(time.time()) + seconds)
        return f"{expires}.{self._signature(expires)}"

    def valid(self, token: str) -> bool:
        """Whether the token is ours and has not ended."""
        expires, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(expires).encode()):
            return False
        return int(expires) > time.time()

    def _signature(self, expires: str) -> str:
        digest = hmac.new(self._key, expires.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
