"""The stack's life: it starts healthy, says what is in its way, and goes without a trace."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from foundation.settings import ROOT
from stack.supervision import supervised
from tests.fixtures.small_disk import small_disk
from tests.fixtures.waiting import wait_until


@pytest.fixture(scope="module")
def small(make_stack):
    """A stack of which only the sink is started."""
    stack = make_stack("small")
    started = stack.elt("up", "sink")
    assert started.returncode == 0, started.stderr
    return stack


def test_up_starts_what_is_named_and_a_second_up_leaves_it_alone(small):
    pids = {name: info["pid"] for name, info in supervised(small.home).items()}
    assert pids["sink"] and not pids["source"]
    again = small.elt("up", "sink")
    assert again.returncode == 0 and "sink: ready" in again.stdout
    assert {name: info["pid"] for name, info in supervised(small.home).items()} == pids


def test_status_tells_what_runs_and_exits_1_while_something_does_not(small):
    shown = small.elt("status")
    assert shown.returncode == 1
    line = next(line for line in shown.stdout.splitlines() if line.startswith("sink"))
    assert "running" in line and "healthy" in line and small.environ["SINK_PORT"] in line
    assert "stopped" in next(line for line in shown.stdout.splitlines() if "metadata" in line)


def test_a_killed_program_is_restarted(small):
    before = supervised(small.home)["sink"]["pid"]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        info = supervised(small.home)["sink"]
        if info["statename"] == "RUNNING" and info["pid"] != before:
            break
        time.sleep(0.1)
    assert small.elt("up", "sink").returncode == 0
    assert supervised(small.home)["sink"]["pid"] != before


def test_logs_show_a_part_and_refuse_an_unknown_one(small):
    assert small.elt("logs", "sink", "-n", "5").returncode == 0
    unknown = small.elt("logs", "sinc")
    assert unknown.returncode == 2
    assert unknown.stderr.strip() == (
        "elt: no part is named 'sinc' — choose from postgres, sink, airbyte, airflow, superset"
    )


def test_no_secret_is_in_the_supervisors_files_or_in_process_arguments(small):
    secrets = [
        line.partition("=")[2]
        for line in (small.home / "secrets.env").read_text().splitlines()
        if line.strip()
    ]
    texts = [path.read_text() for path in (small.home / "run").iterdir() if path.is_file()]
    texts += [path.read_text(errors="replace") for path in (small.home / "logs").glob("*.log")]
    texts += [" ".join(process.cmdline()) for process in small.processes()]
    assert small.processes() and not [s for s in secrets if any(s in text for text in texts)]


def test_a_setting_that_the_running_programs_do_not_have_is_named(small):
    changed = {"ELT_SCHEDULE": "* * * * *"}
    assert small.elt("up", "sink", **changed).returncode == 0, "there is nothing to start"
    refused = small.elt("up", "postgres", **changed)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith(
        "elt: ELT_SCHEDULE: changed since the stack was started"
    )
    assert "elt down" in refused.stderr
    assert small.elt("down", "sink").returncode == 0
    started = small.elt("up", "sink", **changed)
    assert started.returncode == 0, started.stderr
    environ = psutil.Process(supervised(small.home)["sink"]["pid"]).environ()
    assert environ["ELT_SCHEDULE"] == "* * * * *"


def test_down_leaves_no_process_and_a_new_up_works(small):
    assert small.processes()
    stopped = small.elt("down")
    assert stopped.returncode == 0, stopped.stderr
    assert small.processes() == [] and supervised(small.home) is None
    assert small.elt("down").returncode == 0
    assert small.elt("up", "sink").returncode == 0


def test_what_a_killed_supervisor_left_behind_is_cleared_by_the_next_up(small):
    small.elt("up", "sink")
    pid = int((small.home / "run" / "supervisord.pid").read_text())
    psutil.Process(pid).kill()
    psutil.Process(pid).wait(10) if psutil.pid_exists(pid) else None
    orphans = small.processes()
    assert [p for p in orphans if "stack.sink" in p.cmdline()]
    assert small.elt("up", "sink").returncode == 0
    assert not [p for p in orphans if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


FAMILY = """
import os, subprocess, sys, time
from pathlib import Path
from setproctitle import setproctitle

log = Path(os.environ["ELT_STACK"], "logs", "supervisord.log")
log.parent.mkdir(parents=True)
log.write_text(f"INFO supervisord started with pid {os.getpid()}\\n")


def idle(title):  # its title overwrites its environment
    setproctitle(title)
    while True:
        time.sleep(60)


def program(name):  # a worker, whose task has a process group of its own; then both are orphans
    if pid := os.fork():
        with log.open("a") as file:
            file.write(f"INFO spawned: '{name}' with pid {pid}\\n")
        os.waitpid(pid, 0)
        return
    os.setpgid(0, 0)
    if not os.fork():
        if not os.fork():
            os.setpgid(0, 0)
            idle(f"{name} task {os.environ['ELT_STACK']}")
        idle(f"{name} worker {os.environ['ELT_STACK']}")
    os._exit(1)


program("airflow-scheduler")
program("airbyte")
"""


def test_what_a_killed_program_left_ends_with_its_part_and_leaves_the_others(stack):
    supervisor = subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        env=stack.environ | {"ELT_STACK": str(stack.home)},
        cwd=ROOT,
        start_new_session=True,
    )

    def family():
        lines = [" ".join(p.info["cmdline"] or ()).strip() for p in psutil.process_iter(["cmdline"])]
        return sorted(line.removesuffix(f" {stack.home}") for line in lines if line.endswith(str(stack.home)))

    assert supervisor.wait(20) == 0  # both programs are gone, and so is who began the session
    before = ["airbyte task", "airbyte worker", "airflow-scheduler task", "airflow-scheduler worker"]
    wait_until(lambda: family() == before, 10)
    stopped = stack.elt("down", "airflow")
    assert stopped.returncode == 0, stopped.stderr
    assert "airflow: stopped, and 2 processes that it had left" in stopped.stdout
    assert family() == before[:2]
    assert "nothing of it is left" in stack.elt("down").stdout
    assert family() == []


def test_a_database_that_a_killed_supervisor_left_behind_is_stopped_too(stack):
    assert stack.elt("up", "postgres").returncode == 0
    supervisor = psutil.Process(int((stack.home / "run" / "supervisord.pid").read_text()))
    supervisor.kill()
    supervisor.wait(10)
    orphans = [process for process in stack.processes() if process.name() == "postgres"]
    assert len(orphans) >= 2
    assert stack.elt("down").returncode == 0
    assert stack.processes() == []
    assert not [process for process in orphans if process.is_running()]


def test_a_taken_port_is_named_with_its_taker_and_the_variable_that_moves_it(stack):
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", int(stack.environ["SINK_SMTP_PORT"])))
        taker.listen()
        refused = stack.elt("up", "sink")
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    port = stack.environ["SINK_SMTP_PORT"]
    assert f"port {port}, wanted by sink, is taken by" in line and f"process {os.getpid()}" in line
    assert line.endswith("set SINK_SMTP_PORT in .env to a free port")
    assert stack.processes() == []


def test_a_full_disk_is_named_before_anything_starts(stack):
    with small_disk(stack.home, 8):
        refused = stack.elt("up", "sink")
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert str(stack.home) in line and "is full: " in line and "ELT_HOME" in line


def test_a_path_too_long_for_a_socket_is_no_obstacle(make_stack):
    stack = make_stack("long")
    home = stack.home / ("long " * 12) / ("folder " * 8)
    stack.environ["ELT_HOME"] = str(home)
    stack.home = home
    started = stack.elt("up", "sink")
    assert started.returncode == 0, started.stderr
    assert stack.elt("down").returncode == 0


def test_an_interrupt_of_up_leaves_a_stack_that_up_completes(stack):
    process = subprocess.Popen(
        [sys.executable, "-m", "elt.cli", "up", "sink"],
        env=stack.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while supervised(stack.home) is None and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130), errors
    assert "Traceback" not in errors
    assert stack.elt("up", "sink").returncode == 0
