"""How gunicorn serves Superset: loaded once, then forked."""

import os
import resource

import receiving
from gunicorn.workers.gthread import ThreadWorker

# Of a worker's own data, in bytes. DuckDB's memory_limit does not count all that a list or a text in an expression takes: beyond
# this it gets no more, and the query ends with "Out of Memory"; the worker lives on.
WORKER_BYTES = int(os.environ["SUPERSET_WORKER_BYTES"])


class Worker(ThreadWorker):
    """Threads, none of which waits for ever for a request."""

    def handle(self, conn):
        with receiving.in_time(conn.sock):
            return super().handle(conn)


preload_app = True
worker_class = Worker
threads = 12
timeout = 120
graceful_timeout = 10
keepalive = 30
forwarded_allow_ips = "127.0.0.1"
control_socket_disable = True


def post_fork(server, worker):
    """A worker has its limit of memory, and opens connections of its own; those of the master stay the master's."""
    resource.setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))
    from superset import db

    with worker.app.callable.app_context():
        db.engine.dispose(close=False)
