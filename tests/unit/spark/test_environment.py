"""What Spark needs is found, or missed in one line; what is fetched is what was pinned."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from foundation.errors import EltError
from foundation.jvm import Jar
from spark import environment
from spark.environment import java


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it but what a test puts there."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_machine_without_java_is_told_which_to_install(bare: Path) -> None:
    with pytest.raises(EltError, match=r"needs Java 17 or later; there is no Java here — install one"):
        java()


def test_an_older_java_is_named(bare: Path) -> None:
    found = bare / "java"
    found.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    found.chmod(0o755)
    with pytest.raises(EltError, match=r"/java says: openjdk version \"11\.0\.2\""):
        java()


def test_a_java_home_that_leads_nowhere_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(bare / "jdk"))
    with pytest.raises(EltError, match=r"jdk/bin/java can't be run \(No such file or directory\)"):
        java()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A Maven repository with one jar."""
    folder = tmp_path / "repository" / "org" / "example" / "part" / "1.0"
    folder.mkdir(parents=True)
    (folder / "part-1.0.jar").write_bytes(b"a jar")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "repository")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: str, version: str, digest: str
) -> list[Path]:
    """`install` as if the environment were there and only the jar were missing."""
    project, folder = tmp_path / "project", tmp_path / "venv"
    for each in (project, folder):
        each.mkdir(exist_ok=True)
    (project / "uv.lock").write_text("")
    jar = f'group = "org.example"\nartifact = "part"\nversion = "{version}"\nsha256 = "{digest}"\n'
    (project / "jars.toml").write_text(f'repository = "{repository}"\n\n[[jars]]\n{jar}')
    made = environment.OwnEnvironment("a test's", project, folder)
    (folder / "locked").write_text(made.digest)
    monkeypatch.setattr(environment, "SPARK", made)
    monkeypatch.setattr(environment, "JARS", folder / "iceberg")
    monkeypatch.setattr(environment, "PROJECT", project)
    return environment.install()


def test_a_jar_is_fetched_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = hashlib.sha256(b"a jar").hexdigest()
    (jar,) = install(monkeypatch, tmp_path, repository, "1.0", right)
    assert jar.read_bytes() == b"a jar"
    assert install(monkeypatch, tmp_path, "http://127.0.0.1:9", "1.0", right) == [jar]
    assert capsys.readouterr().out.count("fetching part-1.0.jar") == 1


def test_another_file_than_the_pinned_one_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: str
) -> None:
    with pytest.raises(EltError, match=r"part-1\.0\.jar of http.* has the SHA-256 .*, pinned is 0000"):
        install(monkeypatch, tmp_path, repository, "1.0", "0" * 64)
    assert not list((tmp_path / "venv" / "iceberg").iterdir())


@pytest.mark.parametrize("version, reason", [("2.0", "404"), ("1.0", "Connection refused")])
def test_a_repository_that_does_not_have_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: str, version: str, reason: str
) -> None:
    place = repository if version == "2.0" else "http://127.0.0.1:9"
    with pytest.raises(EltError, match=f"part-{version}.jar can't be fetched from {place}: .*{reason}"):
        install(monkeypatch, tmp_path, place, version, "0" * 64)
    assert not list((tmp_path / "venv" / "iceberg").iterdir())


def test_what_is_pinned_is_a_release_of_the_same_iceberg() -> None:
    pinned = [Jar(**one) for one in tomllib.loads((environment.PROJECT / "jars.toml").read_text())["jars"]]
    assert {jar.group for jar in pinned} == {"org.apache.iceberg"} and len(
        {jar.version for jar in pinned}
    ) == 1
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in pinned)
    project = (environment.PROJECT / "pyproject.toml").read_text()
    runtime = next(jar.artifact for jar in pinned if "runtime" in jar.artifact)
    assert f'"pyspark=={runtime.split("-")[3].split("_")[0]}.' in project, "Iceberg is built for one Spark"


def test_a_verb_that_is_not_sparks_imports_nothing_of_it() -> None:
    code = (
        "import sys, elt.cli; elt.cli.cli.main(['lake', '--help'], standalone_mode=False);"
        "assert not any(name.partition('.')[0] in ('spark', 'pyspark') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
