"""What a process behind the fence can still open: its own files, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import socket, sys, threading
from pathlib import Path
from foundation.fence import fence

home = Path(sys.argv[1])
there = [Path(sys.prefix), Path(sys.base_prefix), home / "not there"]
if not fence([*there, home / "read", home / "one.txt"], [home / "own"]):
    sys.exit("this kernel has no Landlock")

def tried(name, action):
    try:
        action()
        print(name, "yes")
    except OSError as error:
        print(name, type(error).__name__)

def move():
    (home / "own" / "new").rename(home / "own" / "folder" / "moved")

def connect():
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5).close()

def all():
    tried("read", (home / "read" / "file.txt").read_text)
    tried("one file", (home / "one.txt").read_text)
    tried("its folder", lambda: list(home.iterdir()))
    tried("write there", lambda: (home / "read" / "new").write_text("x"))
    tried("write", lambda: (home / "own" / "new").write_text("x"))
    tried("move", move)
    tried("secret", (home / "secrets.env").read_text)
    tried("environment", Path("/proc/self/environ").read_bytes)
    tried("connect", connect)

thread = threading.Thread(target=all)
thread.start()
thread.join()
"""


@pytest.fixture
def listening_port() -> Iterator[int]:
    """A server's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.threat("a service that is taken over")
@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_a_process_behind_the_fence_reaches_its_own_files_alone(tmp_path: Path, listening_port: int) -> None:
    for folder in ("read", "own/folder"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("read/file.txt", "one.txt", "secrets.env"):
        (tmp_path / file).write_text("text")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(listening_port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if ended.stderr == "this kernel has no Landlock\n":
        pytest.skip(ended.stderr)
    assert ended.stdout.splitlines() == [
        "read yes",
        "one file yes",
        "its folder PermissionError",
        "write there PermissionError",
        "write yes",
        "move yes",
        "secret PermissionError",
        "environment PermissionError",
        "connect PermissionError",
    ]
