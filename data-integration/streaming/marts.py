"""dbt over the lane's ClickHouse (data-transformation/stream), in the lane's environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from urllib.parse import urlsplit

from foundation.errors import EltError, Kind
from foundation.settings import ROOT, Settings
from streaming.environment import STREAM

PROJECT = ROOT / "data-transformation" / "stream"


def environment(config: Settings) -> dict[str, str]:
    """What the project's profile asks for. The password is among it."""
    place = urlsplit(config.stream_clickhouse_base)
    secure = place.scheme == "https"
    user, password = config.stream_clickhouse_login(writes=True)
    return {
        "STREAM_CLICKHOUSE_HOST": place.hostname or "",
        "STREAM_CLICKHOUSE_HTTP_PORT": str(place.port or (8443 if secure else 8123)),
        "STREAM_CLICKHOUSE_SECURE": str(secure),
        "STREAM_CLICKHOUSE_USER": user,
        "STREAM_CLICKHOUSE_PASSWORD": password,
        "STREAM_CLICKHOUSE_DATABASE": config.stream_clickhouse_database,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "DO_NOT_TRACK": "1",
    }


def build(config: Settings, words: Sequence[str] = ()) -> None:
    """`dbt build` of the lane's models and their tests; `words`: further ones for dbt. Its lines go to standard output.

    Raises EltError: the environment is not there, or a model or a test failed.
    """
    program = STREAM.folder / "bin" / "dbt"
    if not program.exists():
        raise EltError(f"{STREAM.label} is not there", "elt up stream makes it")
    folder = config.home / "stream" / "dbt"
    command = [str(program), "build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs"), *words]
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    if subprocess.run(command, env=kept | environment(config), cwd=PROJECT).returncode:
        raise EltError(
            "dbt did not build the lane's marts whole",
            "see its lines above; is ClickHouse up? elt up stream",
            kind=Kind.RETRY,
        )
