"""Flink as a second implementation of the lane's minutes: its SQL client runs flink/job.sql with a cluster in its own process.

The jars come from Maven Central, pinned by flink/jars.toml, into .local/benchmarks/flink. After a kill the job goes on from its last complete
checkpoint: nobody else knows which that is, because a cluster in one process has nothing that outlives it.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from foundation.jvm import install_jars, java
from foundation.settings import Settings
from tests.benchmarks.environments import CACHE

FOLDER = Path(__file__).with_name("flink")
JOB = FOLDER / "job.sql"
TARGET = "benchmark.flink_windows"
HEAP_MB = 512
OPENED = ("java.lang", "java.net", "java.io", "java.nio", "java.util", "java.util.concurrent", "java.time")
# of the SQL client's cluster; the job's own settings are in job.sql
CLUSTER = """
taskmanager.memory.network.min: 32m
taskmanager.memory.network.max: 32m
taskmanager.memory.managed.size: 64m
execution.checkpointing.num-retained: 2
"""
LOGGING = """
rootLogger.level = warn
logger.metrics.name = org.apache.flink.metrics.MetricGroup
logger.metrics.level = error
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex{12}
"""
# the connector's jar has Kafka's classes under another name
LOGIN = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule"


def install() -> Path:
    """The folder with Flink's jars. Raises EltError: the repository does not answer, or a jar is another file."""
    folder = CACHE / "flink"
    install_jars(FOLDER / "jars.toml", folder)
    return folder


def _options(found: dict[str, str]) -> str:
    """As in WITH (…)."""
    return ",\n    ".join(f"""'{name}' = '{value.replace("'", "''")}'""" for name, value in found.items())


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass
class Flink:
    """`start`, `kill` and start again; the files of a run are in `home`, which is its owner's alone."""

    config: Settings
    home: Path
    source: str
    checkpoint_ms: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """From the last complete checkpoint, if there is one."""
        engine, jars = java("Flink"), install()
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.home / "config.yaml").write_text(CLUSTER)
        (self.home / "log4j2.properties").write_text(LOGGING)
        job = self.home / "job.sql"
        job.touch(mode=0o600)  # it has the passwords
        job.write_text(self.rendered())
        opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
        words = [str(engine), f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=128m", *opened]
        words += [f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}", "-cp", f"{jars}/*"]
        words += [
            "org.apache.flink.table.client.SqlClient",
            "-f",
            job.name,
        ]  # in its folder: a path with a space can't be named
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
        environ = kept | {"FLINK_CONF_DIR": str(self.home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(words, env=environ, cwd=self.home, stdout=log, stderr=log)

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def said(self) -> str:
        """Its log without the passwords: the SQL client repeats each statement."""
        said = (self.home / "log").read_text() if (self.home / "log").exists() else ""
        for secret in (self.config.stream_kafka_password, self.config.stream_registry_password):
            said = said.replace(secret.get_secret_value().replace("'", "''"), "…")
        return said

    def last_checkpoint(self) -> Path | None:
        """The newest that is complete: its `_metadata` comes last, and whole."""
        complete = (self.home / "checkpoints").glob("*/chk-*/_metadata")
        return max(
            (each.parent for each in complete),
            key=lambda each: ((each / "_metadata").stat().st_mtime_ns, int(each.name.removeprefix("chk-"))),
            default=None,
        )

    def rendered(self) -> str:
        """The job for this broker and registry; it has the passwords."""
        config, last = self.config, self.last_checkpoint()
        secret = config.stream_kafka_password.get_secret_value()
        login = f"{config.stream_registry_user}:{config.stream_registry_password.get_secret_value()}"
        kafka = {
            "properties.bootstrap.servers": config.stream_brokers,
            "properties.security.protocol": config.stream_kafka_security,
            "properties.sasl.mechanism": config.stream_kafka_mechanism,
            "properties.sasl.jaas.config": (
                f"{LOGIN} required username={_quoted(config.stream_kafka_user)} password={_quoted(secret)};"
            ),
        }
        registry = {
            "avro-confluent.url": config.stream_registry_base,
            "avro-confluent.basic-auth.credentials-source": "USER_INFO",
            "avro-confluent.basic-auth.user-info": login,
        }
        return Template(JOB.read_text()).substitute(
            source=self.source,
            target=TARGET,
            checkpoint_ms=self.checkpoint_ms,
            checkpoints=(self.home / "checkpoints").as_uri(),
            restore=f"set 'execution.state-recovery.path' = '{last.as_uri()}';" if last else "",
            kafka=_options(kafka),
            registry=_options(registry),
        )


def statements() -> list[str]:
    """The lines of the job without those that are empty or only a comment."""
    return [line for line in JOB.read_text().splitlines() if not re.match(r"\s*(--|$)", line)]
