"""Metrics and alerts as a part of the stack: the exporter, Prometheus and Alertmanager, on 127.0.0.1 and with one login.

Their files are in infrastructure/monitoring; what they run with is made of these below ELT_HOME/monitoring. Secrets are in files of their own
there, which the configurations name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from string import Template

import bcrypt
import httpx

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import ROOT, Settings
from foundation.settings import settings as this_process
from foundation.slack import webhook
from stack.health import answers
from stack.program import Program

FILES = ROOT / "infrastructure" / "monitoring"
LOOPBACK = "127.0.0.1"
# as Debian calls them, and as those call them who make them
BINARIES = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}
REMEDY = (
    "apt-get install --no-install-recommends prometheus prometheus-alertmanager (and disable their services),"
    " or MONITORING=exporter for a Prometheus elsewhere"
)
KEPT_DAYS, KEPT_MB = 15, 512  # what comes first
MEMORY_MIB = {"prometheus": 256, "alertmanager": 64}  # which Go's collector keeps to


def folder(config: Settings) -> Path:
    """What the programs run with, and their data."""
    return config.home / "monitoring"


def programs(config: Settings) -> tuple[Program, ...]:
    """The exporter; and the two that a machine need not have."""
    exporter = Program(
        "exporter", (sys.executable, "-m", "exporter"), {"EXPORTER_PORT": config.exporter_port}
    )
    if config.monitoring != "on":
        return (exporter,)
    return exporter, *(
        Program(name, (sys.executable, "-m", "stack.monitoring", name), {f"{name.upper()}_PORT": port})
        for name, port in _ports(config).items()
    )


def _ports(config: Settings) -> dict[str, int]:
    return {"prometheus": config.prometheus_port, "alertmanager": config.alertmanager_port}


def address(config: Settings) -> str:
    """Where a person looks."""
    exporter = f"http://{LOOPBACK}:{config.exporter_port}/metrics"
    if config.monitoring != "on":
        return exporter
    return f"http://{LOOPBACK}:{config.prometheus_port} (Prometheus), http://{LOOPBACK}:{config.alertmanager_port} (alerts), {exporter}"


def binary(name: str) -> str:
    """Raises EltError where it is not on this machine."""
    for candidate in BINARIES[name]:
        if found := shutil.which(candidate):
            return found
    raise EltError(f"{name} is not on this machine", REMEDY)


def prepare(config: Settings) -> None:
    """Write what Prometheus and Alertmanager run with. Raises EltError: one of them is not there, or Slack's webhook can't be read."""
    if config.monitoring != "on":
        return
    for name in BINARIES:
        binary(name)
        (folder(config) / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    write(config)


def write(config: Settings) -> Path:
    """The configurations, complete, each file old or new; their folder."""
    place, user = folder(config), config.monitoring_user
    password = config.monitoring_password.get_secret_value()
    values = {
        "ELT_ENVIRONMENT": json.dumps(config.elt_environment),
        "MONITORING_USER": json.dumps(user),
        "EXPORTER_PORT": config.exporter_port,
        "ALERTMANAGER_PORT": config.alertmanager_port,
        "SLACK_URL_FILE": json.dumps(str(place / "slack_url")),  # a relative one it would look for elsewhere
    }
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()
    texts = {
        **{
            name: Template((FILES / name).read_text()).substitute(values)
            for name in ("prometheus.yml", "alertmanager.yml")
        },
        "web.yml": f"basic_auth_users: {json.dumps({user: digest})}\n",
        "password": password,
        "slack_url": webhook(config),
    }
    rules = {f"rules/{file.name}": file.read_text() for file in sorted((FILES / "rules").glob("*.yml"))}
    shutil.rmtree(place / "rules", ignore_errors=True)  # one that is no more would go on
    for name, text in (texts | rules).items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_name(f".{file.name}")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(file)
    return place


def command(config: Settings, name: str) -> list[str]:
    """No secret is in it."""
    place, port = folder(config), _ports(config)[name]
    common = [
        binary(name),
        f"--config.file={place / name}.yml",
        f"--web.config.file={place / 'web.yml'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        f"--web.external-url=http://{LOOPBACK}:{port}/",
        "--log.level=warn",
    ]
    if name == "alertmanager":
        return [
            *common,
            f"--storage.path={place / name}",
            f"--data.retention={KEPT_DAYS * 24}h",
            "--cluster.listen-address=",  # it is alone: no gossip
            "--web.get-concurrency=8",
            "--web.timeout=30s",
        ]
    return [
        *common,
        f"--storage.tsdb.path={place / name}",
        f"--storage.tsdb.retention.time={KEPT_DAYS}d",
        f"--storage.tsdb.retention.size={KEPT_MB}MB",
        "--web.cors.origin=none",
        "--web.read-timeout=30s",
        "--web.max-connections=64",
        "--query.timeout=30s",
        "--query.max-concurrency=4",
        "--query.max-samples=5000000",
    ]


def environment(name: str) -> dict[str, str]:
    """Nothing of ours but what marks a stack."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "ELT_STACK")}
    return kept | {"GOMEMLIMIT": f"{MEMORY_MIB[name]}MiB", "TZ": "UTC"}


def serve(config: Settings, name: str) -> None:
    """Become that program. Raises EltError where it is not there, or was not prepared."""
    if not (folder(config) / f"{name}.yml").exists():
        raise EltError(f"{name} is not prepared", "elt up monitoring")
    words = command(config, name)
    os.execve(words[0], words, environment(name))


def ready(config: Settings) -> bool:
    """Whether all of them answer, and let their user in."""
    login = (config.monitoring_user, config.monitoring_password.get_secret_value())
    others = _ports(config).values() if config.monitoring == "on" else ()
    try:
        return answers(config, "exporter") and all(
            httpx.get(f"http://{LOOPBACK}:{port}/-/ready", auth=login, timeout=5).is_success
            for port in others
        )
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    private()
    with one_line("monitoring"):
        serve(this_process(), sys.argv[1])
