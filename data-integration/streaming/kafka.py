"""One node of Apache Kafka on 127.0.0.1, broker and controller in one process: a log of events that outlives a `kill -9`.

`python -m streaming.kafka` becomes the broker in the foreground. It lets in the one user STREAM_KAFKA_USER, whose password is in a file
that is its owner's alone, in no argument and no variable. What the broker has said to be written is in the system's memory, so a killed
process loses nothing; a machine that loses its power may lose the last second, against which a real cluster has replicas.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import Settings
from foundation.settings import settings as this_process
from streaming.environment import JARS, ask, install, java

LOOPBACK = "127.0.0.1"
NODE = 1
HEAP_MB = 384
DIRECT_MB = 128  # of memory outside the heap, for what is on its way
JVM = (
    f"-Xms{HEAP_MB // 4}m",
    f"-Xmx{HEAP_MB}m",
    f"-XX:MaxDirectMemorySize={DIRECT_MB}m",
    "-XX:+UseSerialGC",  # a heap so small is collected in a few milliseconds, without threads of its own
    "-XX:+ExitOnOutOfMemoryError",  # supervisord starts it again
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
START, STORAGE = "kafka.Kafka", "kafka.tools.StorageTool"
LOG_BYTES = 2 << 30  # of a partition; then its oldest events go, …
LOG_HOURS = 168  # … and in any case after a week
SEGMENT_BYTES = 128 << 20
MESSAGE_BYTES = 1 << 20


def folder(config: Settings) -> Path:
    """Where the broker keeps its configuration and its log."""
    return config.home / "stream" / "kafka"


def ports(config: Settings) -> dict[str, int]:
    """The ports of the broker: the one for clients, and the one that only it uses."""
    return {
        "STREAM_KAFKA_PORT": config.stream_kafka_port,
        "STREAM_KAFKA_CONTROLLER_PORT": config.stream_kafka_controller_port,
    }


def _data(config: Settings) -> Path:
    return folder(config) / "data"


def _quoted(value: str) -> str:
    """A value of a JAAS configuration in a file of properties, each of which takes a backslash away."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\") + '"'


def properties(config: Settings) -> dict[str, str]:
    """The broker's settings. Among them is the password."""
    user, password = map(_quoted, (config.stream_kafka_user, config.stream_kafka_password.get_secret_value()))
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f" username={user} password={password} user_{config.stream_kafka_user}={password};"
    )
    clients = f"{LOOPBACK}:{config.stream_kafka_port}"
    controller = f"{LOOPBACK}:{config.stream_kafka_controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE),
        "controller.quorum.voters": f"{NODE}@{controller}",
        "listeners": f"CLIENTS://{clients},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENTS://{clients}",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": login,
        "listener.name.controller.plain.sasl.jaas.config": login,
        "log.dirs": str(_data(config)),
        # a topic comes from `streaming.topics`, not from a slip of the pen
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        "log.retention.hours": str(LOG_HOURS),
        "log.retention.bytes": str(LOG_BYTES),
        "log.segment.bytes": str(SEGMENT_BYTES),
        "log.flush.interval.ms": "1000",
        "message.max.bytes": str(MESSAGE_BYTES),
        "compression.type": "producer",
        # one node: nobody else has a copy
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # small: few clients, few cores
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(8 << 20),
        "log.cleaner.io.buffer.size": str(128 << 10),
        "group.initial.rebalance.delay.ms": "0",
        # limits of who is let in, and of who is not yet
        "max.connections": "512",
        "queued.max.requests": "128",
        "socket.request.max.bytes": str(8 << 20),
        "sasl.server.max.receive.size": str(64 << 10),
        "connection.failed.authentication.delay.ms": "1000",
    }


def _as_file(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


LOGGING = """
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex{8}
logger.server.name = kafka.server.BrokerLifecycleManager
logger.server.level = info
"""


def _write(path: Path, content: str) -> None:
    """Whole or not at all, and its owner's alone."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def prepare(config: Settings) -> None:
    """Make the environment, the broker's configuration and, once, its folder. Raises EltError: no Java, no room, a folder of others."""
    engine = java()
    install()
    place = folder(config)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(place / "server.properties", _as_file(properties(config)))
    _write(place / "log4j2.properties", LOGGING)
    if not (_data(config) / "meta.properties").exists():
        _format(config, engine)


def _format(config: Settings, engine: Path) -> None:
    """Make the folder beside its place, then rename: what was interrupted counts for nothing."""
    place = folder(config)
    if _data(config).exists() and any(_data(config).iterdir()):
        raise EltError(
            f"{_data(config)} is not empty and no folder of Kafka's",
            "move its files away, or set ELT_HOME to another folder",
        )
    for left in place.glob("making-*"):
        shutil.rmtree(left)
    draft = Path(tempfile.mkdtemp(prefix="making-", dir=place))
    own = draft / "server.properties"
    _write(own, _as_file(properties(config) | {"log.dirs": str(draft / "data")}))
    name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    words = [*_java(engine, place), STORAGE, "format", "--cluster-id", name, "--config", str(own)]
    done = subprocess.run(words, env=environment(engine), capture_output=True, text=True)
    if done.returncode:
        said = next(iter((done.stderr or done.stdout).strip().splitlines()[::-1]), "nothing")
        raise EltError(
            f"Kafka's folder can't be made in {place}: {said}",
            "free some space, or set ELT_HOME to another disk",
        )
    if _data(config).exists():
        _data(config).rmdir()
    (draft / "data").rename(_data(config))
    shutil.rmtree(draft)


def _java(engine: Path, place: Path) -> list[str]:
    return [
        str(engine),
        *JVM,
        f"-Dlog4j2.configurationFile={place / 'log4j2.properties'}",
        "-cp",
        f"{JARS}/*",
    ]


def command(config: Settings, engine: Path) -> list[str]:
    """The broker's command: no secret is in it."""
    place = folder(config)
    return [*_java(engine, place), START, str(place / "server.properties")]


def environment(engine: Path) -> dict[str, str]:
    """The broker's environment: nothing of ours but what marks a stack."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "ELT_STACK")}
    return kept | {"JAVA_HOME": str(engine.resolve().parents[1]), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def serve(config: Settings) -> None:
    """Become the broker. Raises EltError where it was not prepared."""
    place, engine = folder(config), java()
    if not (_data(config) / "meta.properties").exists():
        raise EltError(f"{place} is not prepared", "elt up stream")
    # Python would note a signal that comes right now, and be gone before it heeds it: it waits for the broker instead
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    words = command(config, engine)
    os.execve(words[0], words, environment(engine))


def listens(config: Settings) -> bool:
    """Whether somebody listens on the broker's port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((LOOPBACK, config.stream_kafka_port)) == 0


def ready(config: Settings) -> bool:
    """Whether the broker lets its user in, and has the lane's topics; they are made when it does so for the first time."""
    if not listens(config):
        return False
    try:
        return ask("streaming.topics", timeout=20).returncode == 0
    except EltError:
        return False


if __name__ == "__main__":
    private()
    with one_line("kafka"):
        if sys.argv[1:] == ["prepare"]:
            prepare(this_process())
        else:
            serve(this_process())
