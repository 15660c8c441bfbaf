"""`python -m local_apis`: the services in the foreground, as supervisord runs them."""

from __future__ import annotations

import signal

import uvicorn

from foundation.errors import one_line
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited
from foundation.listening import listen
from foundation.private import private
from foundation.settings import settings
from local_apis.api import Apis, the_time
from local_apis.github import Github
from local_apis.github_api import GithubApi, Token
from local_apis.rates import Rates
from local_apis.weather import Weather


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is wrong at the start is one line and exit code 2."""
    private()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    with one_line("apis"):
        config = settings()
        listener = listen(config.listen_host, config.apis_port, "APIS_PORT", "the local services")
    apis = Apis(
        Weather(),
        Rates(),
        config.weather_api_key.get_secret_value(),
        calls_per_minute=config.apis_calls_per_minute,
        faults=config.apis_faults,
        github=GithubApi(
            Github(),
            {token: Token() for token in config.github_tokens.get_secret_value().split(",") if token},
            the_time,
        ),
    )
    print(f"apis: rates, weather and github on {config.listen_host}:{config.apis_port}", flush=True)
    application = Limited(apis.app, instance=instance(config.home, "apis"))
    server = uvicorn.Server(configured(application, timeout_graceful_shutdown=2))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
