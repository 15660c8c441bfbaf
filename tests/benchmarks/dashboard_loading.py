"""How long a dashboard takes until its last chart is drawn, in a headless Chromium, on the stack that runs.

python tests/benchmarks/dashboard_loading.py [NAME…] [--times 3] [--json]

Cold: a browser that was never here. Warm: the same browser again. The server keeps a chart's result until
the next version is published, so only a new version's first visit asks the served file. The report
also has the server's processor seconds, which don't depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import statistics

import psutil

from dashboards.browser import browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import Settings, settings
from stack.supervision import supervised


def server_seconds(config: Settings) -> float:
    """Processor seconds that Superset has used."""
    pid = supervised(config.home)["superset"]["pid"]
    master = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (master, *master.children(recursive=True)))


def measure(config: Settings, name: str, charts: int, times: int) -> dict[str, object]:
    """Seconds of the first visit and the median of the next."""
    password = config.superset_analyst_password.get_secret_value()
    with browser(config.superset_url) as context:
        page = login(context, config.superset_analyst_user, password)
        visits = []
        for _ in range(times + 1):
            before = server_seconds(config)
            opened = open_dashboard(page, name.replace("_", "-"), charts)
            assert not opened.failures(), opened.failures()
            visits.append((opened.seconds, server_seconds(config) - before))
            page.goto("about:blank")
    warm = visits[1:]
    return {
        "dashboard": name,
        "charts": charts,
        "cold_seconds": round(visits[0][0], 2),
        "warm_seconds": round(statistics.median(seconds for seconds, _ in warm), 2),
        "server_seconds": round(statistics.median(used for _, used in warm), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    config = settings()
    assets = load(config.dashboards_warehouse)
    for name in arguments.name or assets.dashboards:
        found = measure(config, name, charts_of(assets, name), arguments.times)
        print(
            (
                json.dumps(found)
                if arguments.json
                else "  ".join(f"{key} {value}" for key, value in found.items())
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
