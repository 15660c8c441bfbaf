"""What Spark needs: Java, an environment of its own (infrastructure/spark), and Iceberg's jars, which jars.toml pins by their SHA-256."""

from __future__ import annotations

from pathlib import Path

from foundation.jvm import install_jars
from foundation.jvm import java as java_of
from foundation.own_environment import OwnEnvironment
from foundation.settings import ROOT

PROJECT = ROOT / "infrastructure" / "spark"
SPARK = OwnEnvironment("Spark's environment", PROJECT, ROOT / ".venv-spark")
JARS = SPARK.folder / "iceberg"


def install() -> list[Path]:
    """Make what is missing of Spark's environment; returns Iceberg's jars. Raises EltError: a registry does not answer, or a jar is
    another file than the one that was pinned."""
    SPARK.install(["making Spark's environment .venv-spark (once, half a gigabyte) …"])
    return install_jars(PROJECT / "jars.toml", JARS)


def java() -> Path:
    """The Java that Spark runs on. Raises EltError where there is none, or an older one."""
    return java_of("Spark")
