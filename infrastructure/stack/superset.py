"""Superset on one machine: its environment, its database, users and dashboards, and its server.

Superset needs other versions than everything else here, so it lives in `.venv-superset`, made by uv from
`infrastructure/superset/uv.lock` when it is first needed. `infrastructure/superset/prepare.py` works
inside it (migrates, imports); this module starts that, and the server, with their environment.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
from urllib.parse import quote

from foundation.errors import EltError, one_line
from foundation.limits.instance import instance
from foundation.own_environment import OwnEnvironment
from foundation.private import private
from foundation.settings import ROOT, Settings
from foundation.settings import settings as this_process
from stack.prepared import mark, metadata_row
from streaming.page import embedded

PROJECT = ROOT / "infrastructure" / "superset"
ENVIRONMENT = ROOT / ".venv-superset"
WORKERS = 2


def _own(*, clickhouse: bool = False) -> OwnEnvironment:
    """Superset's environment; with ClickHouse's dialect where that is wanted, or already there for another stack of this folder."""
    with_clickhouse = OwnEnvironment("Superset's environment", PROJECT, ENVIRONMENT, groups=("stream",))
    if clickhouse or with_clickhouse.installed():
        return with_clickhouse
    return OwnEnvironment("Superset's environment", PROJECT, ENVIRONMENT)


def installed() -> bool:
    """Whether the environment is there, and as the lock says."""
    return _own().installed()


def install(*, clickhouse: bool = False) -> bool:
    """Make or renew Superset's environment. True if there was work; it takes about a minute, once. `clickhouse`: with its dialect.

    Where our own Python is newer than what Superset runs on, uv uses a 3.11 or 3.12 that it finds, or fetches a 3.12, unless
    UV_PYTHON_DOWNLOADS forbids that. Raises EltError when uv can't: no network, no Python that Superset runs on.
    """
    say = ["making Superset's environment .venv-superset (about a gigabyte, once) …"]
    ours = sys.version_info[:2] in ((3, 11), (3, 12))
    if not ours:
        say.append(
            f"Superset runs on Python 3.11 and 3.12, this is {sys.version_info[0]}.{sys.version_info[1]}: uv uses one of them"
            " that it finds, or fetches a 3.12 (UV_PYTHON_DOWNLOADS=never forbids that)"
        )
    return _own(clickhouse=clickhouse).install(
        say,
        python=sys.executable if ours else ">=3.11,<3.13",
        may_fetch_python=not ours,
        remedy="Superset runs on Python 3.11 and 3.12: install one, or let uv fetch it; and check that the package index answers",
    )


def environment(settings: Settings) -> dict[str, str]:
    """All variables of Superset's processes, to be laid over the present environment. Holds secrets: never print it."""
    password = quote(settings.superset_database_password.get_secret_value(), safe="")
    home = settings.home / "superset"
    return {
        "SUPERSET_CONFIG_PATH": str(PROJECT / "superset_config.py"),
        "SUPERSET_HOME": str(home),
        "ELT_INSTANCE": instance(settings.home, "superset"),
        # results_cache.py and its like; of ours the foundation's brake
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(ROOT / "infrastructure")]),
        "SUPERSET_SHOWN_FILES": os.pathsep.join(map(str, (settings.serving_path, settings.monitoring_path))),
        "SUPERSET_RESULTS": str(settings.superset_results_dir),
        "SUPERSET_WORKER_BYTES": str(settings.superset_worker_bytes),
        "SUPERSET_EMBEDDED": _embedded(settings),
        "SUPERSET_GUEST_SECRET": settings.superset_guest_secret.get_secret_value(),
        "SUPERSET_SECRET_KEY": settings.superset_secret_key.get_secret_value(),
        "SUPERSET_DATABASE_URI": (
            f"postgresql+psycopg2://superset:{password}@{settings.metadata_host}:{settings.metadata_port}/superset"
        ),
        "SUPERSET_ADMIN_USER": settings.superset_admin_user,
        "SUPERSET_ADMIN_PASSWORD": settings.superset_admin_password.get_secret_value(),
        "SUPERSET_ANALYST_USER": settings.superset_analyst_user,
        "SUPERSET_ANALYST_PASSWORD": settings.superset_analyst_password.get_secret_value(),
        "FLASK_APP": "superset.app:create_app()",
        "PYTHONWARNINGS": "ignore",
        "MALLOC_ARENA_MAX": "2",
        "SCARF_ANALYTICS": "false",
        "SCARF_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "1",
        "TZ": "UTC",
    }


def _embedded(settings: Settings) -> str:
    """The board that the lane's page embeds, as JSON: its slug, what it is called by who embeds it, the page's origins, and the audience of
    guest tokens; empty where the lane is not in use: then nothing can be embedded."""
    if "stream" not in settings.sources:
        return ""
    hosts = ("127.0.0.1", "localhost")
    return json.dumps(
        {
            "slug": embedded.DASHBOARD.replace("_", "-"),
            "uuid": embedded.UUID,
            "origins": [f"http://{host}:{settings.stream_page_port}" for host in hosts],
            "audience": embedded.AUDIENCE,
        }
    )


def prepare(settings: Settings) -> bool:
    """Make the environment, bring the metadata database to its version, set users and roles, and import the dashboards
    of `infrastructure/preset`. True if there was work.

    Idempotent; when nothing has changed since the last time it costs milliseconds. Dashboards that somebody changed in
    the browser are left alone until the files change.
    """
    from dashboards.bundle import zipped
    from dashboards.render import rendered
    from orchestration import monitoring

    install(clickhouse="stream" in settings.sources)
    home = settings.home / "superset"
    home.mkdir(parents=True, exist_ok=True)
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    monitoring.prepare(
        settings
    )  # before the first run there is nothing in it: an empty dashboard, not a broken one
    bundle = zipped(rendered(settings))
    marker = home / "prepared"
    if marker.exists() and marker.read_text() == _fingerprint(settings, bundle):
        return False
    log = settings.logs_dir / "superset-prepare.log"
    with tempfile.NamedTemporaryFile(suffix=".zip") as file, log.open("w") as output:
        file.write(bundle)
        file.flush()
        done = subprocess.run(
            [ENVIRONMENT / "bin" / "python", PROJECT / "prepare.py", file.name],
            cwd=home,
            env=os.environ | environment(settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        raise EltError("Superset could not prepare its database", f"the reason is at the end of {log}")
    mark(marker, _fingerprint(settings, bundle))
    return True


def _fingerprint(settings: Settings, bundle: bytes) -> str:
    """What a prepared database looks like: versions installed, migrations applied, users, the files imported."""
    found = metadata_row(
        settings,
        "superset",
        settings.superset_database_password,
        """
        select (select string_agg(version_num, ',') from alembic_version),
               (select string_agg(password, ',' order by username) from ab_user),
               (select system_identifier from pg_control_system())
        """,
    )
    # changed passwords have to reach the database; they are stored nowhere but in this digest
    passwords = [
        hmac.new(
            settings.superset_secret_key.get_secret_value().encode(), f"{user}:{word}".encode(), "sha256"
        )
        for user, word in (
            (settings.superset_admin_user, settings.superset_admin_password.get_secret_value()),
            (settings.superset_analyst_user, settings.superset_analyst_password.get_secret_value()),
        )
    ]
    parts = [
        _own().digest,
        *(
            hashlib.sha256((PROJECT / name).read_bytes()).hexdigest()
            for name in ("prepare.py", "superset_config.py")
        ),
        hashlib.sha256(bundle).hexdigest(),
        _embedded(settings),
        *(digest.hexdigest() for digest in passwords),
        found,
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def serve(settings: Settings) -> None:
    """Become the server: one master that loads Superset once, and workers that share its memory."""
    command = [
        str(ENVIRONMENT / "bin" / "gunicorn"),
        *("--config", str(PROJECT / "gunicorn_config.py")),
        *("--bind", f"{settings.listen_host}:{settings.superset_port}"),
        *("--workers", str(WORKERS)),
        "superset.app:create_app()",
    ]
    home = settings.home / "superset"
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    os.execve(command[0], command, os.environ | environment(settings))


if __name__ == "__main__":
    private()
    with one_line("superset"):
        if sys.argv[1:] == ["prepare"]:
            prepare(this_process())
        else:
            serve(this_process())
