"""Rows go when their rule says so, and no others."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from elt.privacy.cli import privacy
from foundation.errors import EltError
from foundation.settings import Settings, load_settings, settings
from orchestration import maintenance, retention

RULE = retention.Rule("web.events", "timestamp", 30)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """A warehouse with visits of today, of 29 and of 31 days ago, and one without a moment."""
    made = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    with duckdb.connect(made.warehouse_path) as connection:
        connection.execute(
            """
            create schema marts; create schema web;
            create table web.events as
            select day as event_id, now() - day * interval 1 day as "timestamp" from (values (0), (29), (31)) as days (day)
            union all select 99, null
            """
        )
    return made


def left(config: Settings) -> list[int]:
    with duckdb.connect(config.warehouse_path, read_only=True) as connection:
        return [
            number
            for (number,) in connection.execute("select event_id from web.events order by 1").fetchall()
        ]


def test_a_dry_run_counts_and_changes_nothing(config: Settings) -> None:
    assert retention.overdue(config, [RULE]) == {RULE: 1}
    assert left(config) == [0, 29, 31, 99]


def test_older_rows_go_and_those_without_a_moment_stay(config: Settings) -> None:
    assert retention.remove(config, [RULE]) == {RULE: 1}
    assert left(config) == [0, 29, 99]
    assert retention.remove(config, [RULE]) == {RULE: 0}


def test_a_wrong_column_deletes_by_no_rule(config: Settings) -> None:
    wrong = retention.Rule("web.events", "moment", 30)
    with pytest.raises(EltError, match=r"retention\.yml: web\.events: .*moment"):
        retention.remove(config, [RULE, wrong])
    assert left(config) == [0, 29, 31, 99]


def test_a_table_that_is_not_there_is_passed_over(config: Settings) -> None:
    assert retention.remove(config, [retention.Rule("web.visits", "day", 1)]) == {}


def test_the_night_applies_the_rules_of_the_file(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "rules", lambda: [RULE])
    assert maintenance.tidy(config)["rows of web.events"] == 1
    assert left(config) == [0, 29, 99]


def test_the_command_says_what_would_go_and_asks_before_it_goes(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELT_HOME", str(config.home))
    monkeypatch.setattr(retention, "rules", lambda: [RULE])
    settings.cache_clear()
    dry = CliRunner().invoke(privacy, ["retention", "--dry-run"])
    assert dry.output.splitlines() == [
        "web.events: rows whose timestamp is more than 30 days ago: 1",
        "nothing was changed",
    ]
    refused = CliRunner().invoke(privacy, ["retention"])
    assert "nobody is here to confirm it" in str(refused.exception)
    assert CliRunner().invoke(privacy, ["retention", "--yes"]).exit_code == 0
    assert left(config) == [0, 29, 99]
    settings.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adventureworks_sales.customer: {column: modifieddate, days: 9}", "mirrors the source"),
        ("events: {column: timestamp, days: 9}", "is no schema and table"),
        ("web.events: {column: timestamp}", "has not the keys column and days"),
        ("web.events: {column: timestamp, days: 0}", "days is 0"),
        ("web.events: {column: timestamp, days: true}", "days is True"),
        ("- web.events", "is no mapping of tables"),
        ("web.events: {", "is no YAML"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "retention.yml"
    file.write_text(text)
    with pytest.raises(EltError, match=said):
        retention.rules(file)


def test_the_shipped_rules_are_right() -> None:
    assert [rule.table for rule in retention.rules()] == ["web.events"]
