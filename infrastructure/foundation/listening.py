"""The sockets on which our servers listen."""

from __future__ import annotations

import errno
import os
import socket

from foundation.errors import EltError


def listen(host: str, port: int, variable: str, who: str) -> socket.socket:
    """A listening socket. Raises EltError, naming the variable that moves it, when the port is taken."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise EltError(
            f"{who} can't listen on {host}:{port}: {os.strerror(error.errno or 0)}",
            f"free the port, or set {variable}" if taken else f"correct LISTEN_HOST or {variable}",
        ) from None
