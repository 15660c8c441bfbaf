"""Serving an application by uvicorn, with limits on connections and headers."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_BYTES = 64 << 10
HEADER_SECONDS = 10.0  # from the first byte, or the connection, to the header's end
CONNECTIONS = 256


class Protocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever for a header. (uvicorn's other parser has no limit on a header's size.)"""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _expect(self) -> None:
        """Start the time limit when a connection opens or a header begins, and stop it when the header is complete."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._patience is None:
            self._patience = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


def configured(app: Any, **options: Any) -> uvicorn.Config:
    """uvicorn's configuration for one of our servers; `options` are further ones of uvicorn's."""
    limits: dict[str, Any] = {
        "http": Protocol,
        "ws": "none",
        "h11_max_incomplete_event_size": HEADER_BYTES,
        "limit_concurrency": CONNECTIONS,
        "proxy_headers": False,  # from this machine anybody could say with one that he is another address
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
    }
    return uvicorn.Config(app, **limits | options)
