"""A request that does not come is not waited for: gunicorn gives a body all the time that its sender takes, and each holds a thread."""

import contextlib
import socket
import threading

SECONDS = 10.0


@contextlib.contextmanager
def in_time(connection: socket.socket, seconds: float = SECONDS):
    """Within the block, what has not come after so many seconds does not come any more; an answer goes out all the same."""
    timer = threading.Timer(seconds, _no_more, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _no_more(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        connection.shutdown(socket.SHUT_RD)
