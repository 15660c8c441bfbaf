"""Rules, their tests and dashboards: of the form that their programs take, and about metrics that there are.

Whether their expressions are PromQL, Prometheus itself says in `elt check monitoring`; what they name is seen here, without it.
"""

import re

import pytest
import yaml

from exporter.catalogue import METRICS
from foundation.disk import NEEDED
from foundation.settings import ROOT
from stack.monitoring import FILES

RULES = sorted((FILES / "rules").glob("*.yml"))
OF_PROMETHEUS = {"up"}
WORDS = {
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "e",
}


def names(expression: str) -> set[str]:
    """What an expression of PromQL reads: what is neither a label, a string, a function nor a word of the language."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"(?<![\w:])\d[\w.]*", " ", bare)
    return set(re.findall(r"[a-zA-Z_:][\w:]*\b(?!\s*\()", bare)) - WORDS


def rules() -> list[dict]:
    return [
        rule
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def test_a_name_is_found_where_it_is():
    found = names(
        'sum by (group) (rate(a_total{x="b"}[5m])) > 3 * 1024 ^ 3 and on (y) c:d:sum unless 3e9 < time()'
    )
    assert found == {"a_total", "c:d:sum"}


def test_every_rule_reads_metrics_that_there_are():
    assert len(RECORDED) >= 5
    for rule in rules():
        read = names(rule["expr"])
        assert read and read <= {*METRICS, *RECORDED, *OF_PROMETHEUS}, rule


def test_every_rule_is_whole_and_every_alert_says_what_to_do():
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 10
    for rule in rules():
        assert set(rule) <= {"record", "alert", "expr", "for", "labels", "annotations"}, rule
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "remedy"}, rule
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_every_alert_has_a_test_in_which_it_fires(file):
    tests = yaml.safe_load((FILES / "tests" / file.name).read_text())
    assert tests["rule_files"] == [f"../rules/{file.name}"]
    fires = {
        case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]
    }
    groups = yaml.safe_load(file.read_text())["groups"]
    assert fires == {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_disk_that_an_alert_calls_full_is_the_one_that_status_calls_so():
    [rule] = [rule for rule in rules() if rule.get("alert") == "DiskNearlyFull"]
    assert float(rule["expr"].rpartition("<")[2]) == NEEDED


def test_names_follow_prometheus():
    for name, metric in METRICS.items():
        assert re.fullmatch(r"elt_[a-z_]+", name), name
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|mb|mib|kb|percent)(_|$)", name), name
        assert not {"run_id", "job_id", "task_id", "model", "stream", "pid"} & set(metric.labels), name


def test_the_runbook_tells_of_every_alert():
    page = (ROOT / "docs" / "operate.md").read_text()
    table = page.partition("| alert | when |")[2].partition("\n\n")[0]
    told = {name.strip() for row in table.splitlines()[2:] for name in row.split("|")[1].split(",")}
    assert told == {rule["alert"] for rule in rules() if "alert" in rule}
