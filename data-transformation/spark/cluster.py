"""Spark's own cluster on this machine: a master and workers, real processes on 127.0.0.1 that end with the one that started them."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import EltError, Kind
from spark.environment import SPARK

LOOPBACK = "127.0.0.1"
START_SECONDS = 60
PAGES = "org.apache.spark.ui.JWSFilter"  # lets in who has signed his request with the key
DAEMON_MB = 192  # the heap of a master, and of a worker: rows are in its executor
BRIEF = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # for what runs so briefly that optimising its code costs more than it saves
# ends the program when the pipe on standard input closes, as it does when the one who started it ends, however that is
KEPT = """
exec 3<&0
"$@" </dev/null &
child=$!
(cat <&3 >/dev/null; kill $child; sleep 10; kill -9 $child) 2>/dev/null &
watch=$!
wait $child
code=$?
kill $watch
exit $code
"""


Program = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Workers:
    """How many workers, with how much heap each (MB); each has one core."""

    count: int
    memory: int


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs: its address, `spark://…`, and its parts."""

    address: str
    parts: tuple[Program, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all of its parts still run."""
        return all(part.poll() is None for part in self.parts)


def environment(java: Path, folder: Path, credentials: dict[str, str]) -> dict[str, str]:
    """Of every process; the executors of this machine inherit it. Credentials are here, in no argument and no file."""
    kept = ("PATH", "HOME", "TZ", "TMPDIR", "SSL_CERT_FILE", "ELT_STACK")
    home = next((SPARK.folder / "lib").glob("python*/site-packages/pyspark"))
    return {
        **{name: value for name, value in os.environ.items() if name in kept or name.startswith("AWS_")},
        **credentials,
        "JAVA_HOME": str(java.resolve().parents[1]),
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_DAEMON_MEMORY": f"{DAEMON_MB}m",
        "SPARK_DAEMON_JAVA_OPTS": BRIEF,
        "PYSPARK_PYTHON": str(SPARK.python),
        "LC_ALL": "C.UTF-8",
    }


def settings_of(workers: Workers, jars: list[Path]) -> dict[str, str]:
    """Spark's settings for a job on the cluster of this machine. Its parts let in who knows the secret of this one run."""
    path = os.pathsep.join(map(str, jars))
    return {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets.token_hex(32),
        "spark.master.rest.enabled": "false",  # another way to submit jobs, which asks for no secret
        "spark.ui.filters": PAGES,  # the pages of master and workers show logs and end jobs; nobody has this key
        f"spark.{PAGES}.param.secretKey": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": path,
        "spark.driver.extraJavaOptions": BRIEF,
        "spark.executor.extraClassPath": path,
        "spark.executor.cores": "1",
        "spark.executor.memory": f"{workers.memory}m",
        "spark.cores.max": str(workers.count),
    }


def write_configuration(folder: Path, values: dict[str, str]) -> None:
    """What every process reads: Spark's settings, and where its log goes. `folder` is its owner's alone."""
    lines = [f"{name} {value}" for name, value in values.items()]
    (folder / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
    (folder / "log4j2.properties").write_text(
        "rootLogger.level = warn\nrootLogger.appenderRef.stderr.ref = stderr\n"
        "appender.stderr.type = Console\nappender.stderr.name = stderr\nappender.stderr.target = SYSTEM_ERR\n"
        "appender.stderr.layout.type = PatternLayout\n"
        "appender.stderr.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex\n"
    )


@contextmanager
def kept(command: list[str], environ: dict[str, str], log: Path) -> Iterator[Program]:
    """A program that ends with this one, even when this one is killed."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["/bin/sh", "-c", KEPT, "kept", *command],
            env=environ,
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


@contextmanager
def cluster(workers: Workers, environ: dict[str, str], logs: Path) -> Iterator[Cluster]:
    """A master with its workers. Raises EltError when the master does not start."""
    port, folder = free_port(), environ["SPARK_CONF_DIR"]
    program = [str(Path(environ["SPARK_HOME"]) / "bin" / "spark-class")]
    place = ["--host", LOOPBACK, "--webui-port", "0"]
    environ = environ | {"SPARK_LOCAL_IP": LOOPBACK}
    with ExitStack() as stack:
        words = [*program, "org.apache.spark.deploy.master.Master", *place, "--port", str(port)]
        master = stack.enter_context(kept(words, environ, logs / "master.log"))
        _wait_for(port, master)
        address, parts = f"spark://{LOOPBACK}:{port}", [master]
        for number in range(1, workers.count + 1):
            words = [*program, "org.apache.spark.deploy.worker.Worker", *place]
            words += ["--cores", "1", "--memory", f"{workers.memory}m"]
            words += ["--work-dir", f"{folder}/worker-{number}", address]
            parts.append(stack.enter_context(kept(words, environ, logs / f"worker-{number}.log")))
        yield Cluster(address, tuple(parts))


def _wait_for(port: int, master: Program) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and master.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)
    raise EltError("Spark's master did not start", kind=Kind.RETRY)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
