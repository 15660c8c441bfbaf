"""`python -m exporter`: the exporter in the foreground, as supervisord runs it."""

from __future__ import annotations

import signal

import uvicorn

from exporter.airflow import Airflow
from exporter.api import Api
from exporter.lane import Kafka
from exporter.looks import Looks, parts
from foundation.errors import one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with one_line("exporter"):
        config = settings()
        listener = listen(config.listen_host, config.exporter_port, "EXPORTER_PORT", "the exporter")
    airflow, kafka = Airflow(), Kafka()
    looks = Looks(config, lambda: parts(config, airflow, kafka))
    api = Api(looks.text, config.monitoring_user, config.monitoring_password.get_secret_value())
    print(f"exporter: metrics on {config.listen_host}:{config.exporter_port}", flush=True)
    application = Limited(api.app, admitted=api.knows, instance=instance(config.home, "exporter"), at_once=8)
    uvicorn.Server(configured(application, timeout_graceful_shutdown=2)).run(sockets=[listener])


if __name__ == "__main__":
    main()
