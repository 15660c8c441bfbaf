"""`elt snowflake …` through Snowflake's own connector, on the emulator: it takes roles, grants, warehouses without effect."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from elt.snowflake.bootstrap import run
from elt.snowflake.statements import Statement, statements
from foundation.errors import EltError
from foundation.settings import load_settings
from tests.fixtures import warm
from tests.fixtures.snowflake import Snowflake


@dataclass(frozen=True)
class Desk:
    """An administrator's: a connection of connections.toml, and the services' public keys."""

    server: Snowflake
    environ: dict[str, str]

    def elt(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return warm.run("elt", "snowflake", *arguments, environ=self.environ | more)

    def ran(self) -> list[str]:
        """The statements that reached the server, in lower case."""
        return [" ".join(one["sql"].lower().split()) for one in self.server.statements()]


@pytest.fixture
def desk(snowflake_emulator: Snowflake, tmp_path: Path) -> Desk:
    config = tmp_path / "connections.toml"
    config.touch(mode=0o600)
    config.write_text(
        f'[default]\naccount = "emulator"\nuser = "admin"\npassword = "admin"\nhost = "127.0.0.1"\n'
        f'port = {snowflake_emulator.port}\nprotocol = "http"\n\n'
        '[nowhere]\naccount = "emulator"\nuser = "admin"\npassword = "admin"\nhost = "127.0.0.1"\nport = 1\n'
        'protocol = "http"\nlogin_timeout = 1\n'
    )
    key = tmp_path / "key.pub"
    key.write_text("-----BEGIN PUBLIC KEY-----\nTUlJQklq\n-----END PUBLIC KEY-----\n")
    keys = {f"SNOWFLAKE_{role}_PUBLIC_KEY": str(key) for role in ("LOADER", "TRANSFORMER", "REPORTER")}
    ours = {
        "ELT_HOME": str(tmp_path / "home"),
        "SNOWFLAKE_HOME": str(tmp_path),
        "SNOWFLAKE_ALLOWED_IPS": "203.0.113.7",
    }
    return Desk(snowflake_emulator, dict(os.environ) | keys | ours)


def test_a_dry_run_prints_the_sql_and_needs_neither_account_nor_keys(tmp_path: Path, desk: Desk) -> None:
    before = len(desk.ran())
    unset = {name: "" for name in desk.environ if name.startswith("SNOWFLAKE_")}
    result = desk.elt("bootstrap", "--dry-run", "--environment", "staging", **unset)
    assert result.returncode == 0, result.stderr
    assert "create database if not exists RAW_STAGING" in result.stdout
    assert "rsa_public_key = '<SNOWFLAKE_LOADER_PUBLIC_KEY>'" in result.stdout
    assert result.stdout.count(";\n") == len(
        statements(load_settings({"ELT_HOME": str(tmp_path)}), complete=False)
    )
    assert len(desk.ran()) == before


def test_the_bootstrap_runs_statement_by_statement_and_a_second_time(desk: Desk) -> None:
    for _ in range(2):
        before = len(desk.ran())
        result = desk.elt("bootstrap", "--environment", "boot")
        assert result.returncode == 0, result.stdout[-500:] + result.stderr
        lines = result.stdout.splitlines()
        count = len(lines) - 1
        assert lines[0] == f"1/{count} 10_roles.sql:3: use role USERADMIN"
        assert lines[-1] == f"{count} statements done; look it over with `elt snowflake doctor`"
        assert "TUlJQklq" not in result.stdout
        ran = desk.ran()[before:]
        assert (
            "create database if not exists raw_boot comment = 'as the sources are; written by airbyte'" in ran
        )
        assert "grant select on future tables in database raw_boot to role transformer_boot" in ran
    with desk.server.connect() as session:
        cursor = session.cursor()
        found = {row[1] for row in cursor.execute("show schemas in database ANALYTICS_BOOT").fetchall()}
    assert {name.upper() for name in found} >= {
        "STAGING", "INTERMEDIATE", "MARTS", "MARTS_RESTRICTED", "SNAPSHOTS", "MONITORING",
    }  # fmt: skip

    doctor = desk.elt("doctor", "--environment", "boot", "--all")
    assert doctor.returncode == 1
    assert "ok     database RAW_BOOT: is there" in doctor.stdout
    assert "ok     schema ANALYTICS_BOOT.MARTS: is there" in doctor.stdout
    assert (
        "DATABASE RAW_BOOT to role LOADER_BOOT is not there — elt snowflake bootstrap" in doctor.stdout
        or ("WRONG  grants: can't be looked at" in doctor.stdout)
    )


def test_an_account_without_anything_is_named_piece_by_piece(desk: Desk) -> None:
    result = desk.elt("doctor", "--environment", "nothing")
    assert result.returncode == 1
    for piece in (
        "database RAW_NOTHING",
        "database ANALYTICS_NOTHING",
        "schema ANALYTICS_NOTHING.MONITORING",
    ):
        assert f"WRONG  {piece}: is not there — elt snowflake bootstrap" in result.stdout
    assert "ok " not in result.stdout
    assert not any("create" in statement and "_nothing" in statement for statement in desk.ran())


def test_it_stops_at_the_first_error_with_file_and_line_and_goes_on_from_there(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "40_x.sql"
    texts = (
        "use role SYSADMIN",
        "create database if not exists GO_ON",
        "select * from NOT_THERE",
        "select 1",
    )
    given = [Statement(path, line, text) for line, text in enumerate(texts, 1)]
    with desk.server.connect() as session:
        with pytest.raises(EltError) as caught:
            run(session, given)
        assert caught.value.message.startswith("40_x.sql, line 3: ")
        assert "--from 40_x.sql:3`" in caught.value.remedy
        mended = [*given[:2], Statement(path, 3, "select 2"), given[3]]
        seen: list[str] = []
        assert (
            run(session, mended, "40_x.sql:3", lambda number, one: seen.append(f"{number} {one.text}")) == 2
        )
        # the role of the statements before holds again
        assert seen == ["2 use role SYSADMIN", "3 select 2", "4 select 1"]
        with pytest.raises(EltError, match=r"no statement begins at 40_x\.sql:9"):
            run(session, mended, "40_x.sql:9")


def test_an_account_that_can_not_be_reached_or_is_not_described_is_one_line(desk: Desk) -> None:
    for name in ("nowhere", "undescribed"):
        result = desk.elt("doctor", "--connection", name)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"elt: Snowflake, connection {name}: " in result.stderr
        assert "connections.toml" in result.stderr
