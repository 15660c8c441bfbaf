"""The command line as a person meets it: help, one-line errors with the remedy, exit codes."""

import json
import os
import socket
import subprocess
import sys

import click
import duckdb
import pytest

from elt.cli import COMMANDS
from foundation.settings import ROOT, read_env_file
from tests.fixtures.small_disk import small_disk


@pytest.fixture
def elt(stack):
    """Run `elt` against a stack that is not started."""
    return stack.elt


def test_help_lists_every_verb_and_every_verb_has_help_of_its_own(elt):
    listing = elt("--help")
    assert listing.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in listing.stdout
    one = elt("source", "load", "--help")
    assert one.returncode == 0 and "--from" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "elt: No such option '--bogus'. — see 'elt --help'"),
        (["xyzzy"], "elt: No such command 'xyzzy'. — see 'elt --help'"),
        (["statsu"], "elt: No such command 'statsu'. Did you mean 'status'? — see 'elt --help'"),
        (
            ["airbyte", "aply"],
            "elt: No such command 'aply'. Did you mean 'apply'? — see 'elt airbyte --help'",
        ),
        (["runs", "--josn"], "elt: No such option '--josn'. Did you mean '--json'? — see 'elt runs --help'"),
        (["source", "load"], "elt: Missing option '--from'. — see 'elt source load --help'"),
        (["down", "sinc"], "elt: no part is named 'sinc' — choose from postgres, sink, airbyte, airflow"),
        (["run"], "Airflow does not answer at http"),
        (["logs"], "elt: no log in"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(elt, arguments, message):
    refused = elt(*arguments)
    [line] = refused.stderr.strip().splitlines()
    assert message in line
    assert refused.returncode == 2


def test_no_list_of_verbs_cuts_a_sentence():
    from click.testing import CliRunner

    from elt.cli import cli

    context = cli.make_context("elt", [], resilient_parsing=True)
    groups = [name for name in COMMANDS if isinstance(cli.get_command(context, name), click.Group)]
    assert len(groups) >= 8
    for group in groups:
        listing = CliRunner().invoke(cli, [group, "--help"]).output.partition("Commands:")[2]
        assert listing and "..." not in listing, group


def test_a_shell_completes_verbs_options_and_parts(stack):
    script = stack.elt("completion", "bash")
    assert script.returncode == 0 and "complete -o nosort -F" in script.stdout

    def completed(line):
        words = line.split(" ")
        asked = {"_ELT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return [each.partition(",")[2] for each in stack.elt(**asked).stdout.split()]

    assert completed("elt sta") == ["status"]
    assert completed("elt up air") == ["airbyte", "airflow"]
    assert completed("elt runs --j") == ["--json"]


def test_status_is_there_for_scripts(stack):
    down = stack.elt("status", "--json")
    told = json.loads(down.stdout)
    assert down.returncode == 1 and told["writer"] is None and told["warnings"] == []
    assert {"part", "program", "state", "healthy"} <= set(told["programs"][0])


def test_status_says_that_a_rollback_holds_a_version(stack):
    (stack.home / "serving").mkdir()
    hold = {"number": 7, "since": "2026-03-01T12:00:00Z"}
    (stack.home / "serving" / "held.json").write_text(json.dumps(hold))
    assert "version 7 is held since 2026-03-01T12:00:00Z: runs publish nothing" in stack.elt("status").stdout


def test_logs_lists_what_there_is_and_prints_what_is_asked_for(stack):
    folder = stack.home / "logs"
    (folder / "airflow").mkdir(parents=True)
    (folder / "sink.log").write_text("one\ntwo\n")
    listed = stack.elt("logs").stdout
    assert str(folder / "sink.log") in listed and "two" not in listed and str(folder / "airflow") in listed
    assert stack.elt("logs", "sink", "-n", "1").stdout == "two\n"
    assert "one" in stack.elt("logs", "-n", "5").stdout


def test_a_missing_folder_of_originals_is_named_before_anything_starts(stack):
    refused = stack.elt("demo", AW_DATA="/no/such/folder")
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert line.startswith("elt: AW_DATA: there is no folder /no/such/folder — ")
    assert stack.processes() == []


def test_a_malformed_setting_names_its_variable(stack):
    refused = stack.elt("status", AIRFLOW_PORT="eighty")
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert line.startswith("elt: AIRFLOW_PORT: ")
    assert stack.elt("demo", SHOP="maybe").stderr.startswith("elt: SHOP: 'maybe': ")


def test_a_source_that_is_down_is_named_with_its_address_and_the_remedy(stack):
    refused = stack.elt("shop", "day")
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert f"127.0.0.1:{stack.environ['SOURCE_PORT']}" in line and "elt up postgres" in line


def test_a_wrong_password_of_the_source_names_the_variable_and_not_the_password(stack, generated_source):
    refused = stack.elt("shop", "day", **generated_source.environ | {"SOURCE_OWNER_PASSWORD": "not-the-one"})
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert "refuses the password of adventureworks_owner" in line and "SOURCE_OWNER_PASSWORD" in line
    assert "not-the-one" not in refused.stdout + refused.stderr


def test_a_warehouse_in_use_is_named_with_its_user(stack):
    hold = "import sys, time; from pathlib import Path; from foundation.lease import acquire\n"
    hold += "lock = acquire(Path(sys.argv[1]), 'sync job 12'); print('held', flush=True); time.sleep(120)"
    warehouse = stack.settings.warehouse_path
    duckdb.connect(warehouse).close()
    holder = subprocess.Popen([sys.executable, "-c", hold, str(warehouse)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        refused = stack.elt("build", ELT_LEASE_WAIT_SECONDS="1")
        status = stack.elt("status")
    finally:
        holder.kill()
        holder.wait()
    assert refused.returncode == 2
    assert f"is in use by sync job 12 (process {holder.pid}" in refused.stderr
    assert f"written by sync job 12 (process {holder.pid}" in status.stdout


def test_doctor_finds_nothing_missing_here_and_names_a_taken_port(stack):
    healthy = stack.elt("doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert "postgres (PostgreSQL) 18" in healthy.stdout and "ready: make demo" in healthy.stdout

    with socket.socket() as taker:
        taker.bind(("127.0.0.1", int(stack.environ["AIRBYTE_PORT"])))
        taker.listen()
        ill = stack.elt("doctor")
    assert ill.returncode == 1
    [line] = [line for line in ill.stdout.splitlines() if line.startswith("MISSING")]
    assert "AIRBYTE_PORT" in line and f"process {os.getpid()}" in line and "set AIRBYTE_PORT in .env" in line


def test_doctor_and_status_tell_what_the_capture_of_the_source_lacks(stack, generated_source):
    place = {name: value for name, value in generated_source.environ.items() if name.startswith("SOURCE_")}
    lines = stack.elt("doctor", **place).stdout.splitlines()
    [capture, slot] = [line for line in lines if line.split()[1] == "source"]
    assert capture.startswith("ok") and capture.endswith("wal_level logical, publication adventureworks")
    assert slot.startswith("ok") and f"slot {place['SOURCE_SLOT']}" in slot
    ill = place | {"SOURCE_PUBLICATION": "nowhere"}
    [line] = [line for line in stack.elt("doctor", **ill).stdout.splitlines() if "nowhere" in line]
    assert (
        line.startswith("warning  source") and "— run as the owner of the tables: create publication" in line
    )
    status = stack.elt("status", **ill).stdout
    assert "the source: PostgreSQL at" in status and "there is no publication nowhere" in status
    assert "the source:" not in stack.elt("status", **place).stdout


def test_doctor_and_status_warn_when_no_backup_is_younger_than_two_days(stack):
    assert "backup" not in stack.elt("status").stdout
    stack.settings.warehouse_path.touch()
    (stack.home / "backups" / "2025-01-31T000000Z").mkdir(parents=True)
    [line] = [line for line in stack.elt("doctor").stdout.splitlines() if line.split()[1] == "backup"]
    assert line.startswith("warning") and "days old — `elt backup` makes one" in line
    assert "the newest backup is" in stack.elt("status").stdout


def test_doctor_and_status_name_each_disk_that_is_nearly_full(stack):
    assert "the disk of" not in stack.elt("status").stdout
    serving = stack.home / "serving"
    serving.mkdir()
    with small_disk(serving, 8):
        lacks = f"the disk of {serving} has 0.0 GB free — free 3 GB, or move ELT_HOME to another disk"
        assert lacks in stack.elt("status").stdout
        assert f"MISSING  disk             {lacks}" in stack.elt("doctor").stdout


def test_doctor_reports_settings_that_it_cannot_read(stack):
    ill = stack.elt("doctor", SINK_PORT="x")
    assert ill.returncode == 1
    assert ill.stdout.startswith("MISSING  settings") and "SINK_PORT" in ill.stdout


def test_clean_forgets_the_data_of_its_stack_and_refuses_another_folder(stack, tmp_path):
    assert stack.elt("up", "sink").returncode == 0
    # what parts that are not started here leave, or a night does
    for name in ("superset", "web", "docs", "backups"):
        (stack.home / name).mkdir()
    for name in ("monitoring.duckdb", ".monitoring-draft.duckdb", "warehouse.duckdb.wal"):
        (stack.home / name).touch()
    cleaned = stack.elt("clean", "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert not stack.home.exists() and stack.processes() == []

    (tmp_path / "precious.txt").write_text("mine")
    refused = stack.elt("clean", "--yes", ELT_HOME=str(tmp_path))
    assert (refused.returncode, (tmp_path / "precious.txt").read_text()) == (2, "mine")


@pytest.mark.parametrize(
    "arguments", [["clean"], ["restore"], ["privacy", "erase", "--customer", "1"]], ids=lambda words: words[0]
)
def test_what_destroys_takes_nothing_but_yes_where_nobody_can_answer(stack, arguments):
    (stack.home / "logs").mkdir()
    refused = stack.elt(*arguments, said="y\n")
    assert refused.returncode == 2
    assert refused.stderr == "elt: this can't be undone, and nobody is here to confirm it — give --yes\n"
    assert (stack.home / "logs").is_dir()
    agreed = stack.elt(*arguments, "--yes")
    assert "--yes" not in agreed.stderr


def test_check_runs_every_command_of_a_step_and_fails_with_the_first_that_failed(monkeypatch):
    from click.testing import CliRunner

    from elt import check

    ran = {"first": ["true"], "second": ["false"], "third": ["true"]}
    commands = [check.Command(title, words, background=title == "second") for title, words in ran.items()]
    monkeypatch.setitem(check.STEPS, "lint", lambda: commands)
    result = CliRunner().invoke(check.check, ["lint"])
    assert result.exit_code == 1
    assert all(f"── {name}: {'FAILED' if name == 'second' else 'ok'}" in result.output for name in ran)
    assert "elt check lint: failed: second" in result.output


def test_every_tool_that_checks_is_installed_and_every_step_has_commands():
    from elt import check

    for step in check.STEPS.values():
        for command in step():
            assert (check.BIN / command.words[0]).exists(), command.title


def test_make_lists_its_targets_and_each_calls_a_verb_that_exists():
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "test-all", "up", "down", "status", "sync", "build", "dashboards", "lint"):
        assert f"  make {target} " in listing
    verbs = {line.split()[2] for line in (ROOT / "Makefile").read_text().splitlines() if "$(RUN) elt" in line}
    assert verbs <= set(COMMANDS)


def test_the_example_settings_are_what_a_copy_of_them_would_give():
    assert read_env_file(ROOT / ".env.example")["ELT_HOME"] == ".local"
