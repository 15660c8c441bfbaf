"""How gunicorn serves Superset: loaded once, then forked."""

preload_app = True
worker_class = "gthread"
threads = 12
timeout = 120
graceful_timeout = 10
keepalive = 30
forwarded_allow_ips = "127.0.0.1"
control_socket_disable = True


def post_fork(server, worker):
    """A worker opens connections of its own; those of the master stay the master's."""
    from superset import db

    with worker.app.callable.app_context():
        db.engine.dispose(close=False)
