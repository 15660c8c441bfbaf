"""What the script of the breakages makes of edits and of pytest's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breakages.run import CAUGHT, MISSED, UNCLEAR, Outcome, failures, judge, stale
from tests.breakages.table import BREAKAGES, Breakage

EDIT = Breakage("upside-down", "a sum is a sum", "code.py", "a + b", "a - b", ("tests/test_sum.py",))
SUMMARY = """
FAILED tests/test_sum.py::test_of_two[1 - 2] - assert 3 == -1
ERROR tests/test_sum.py::test_of_a_build - AssertionError: 17:01 [RUN]
FAILED tests/test_sum.py::test_of_two[1 - 2] - assert 3 == -1
"""


def outcome(code: int = 1, reason: str = "assert 3 == -1", passed: int = 0, skipped: int = 0) -> Outcome:
    failed = ["tests/test_sum.py::test_of_two"] if code == 1 else []
    return Outcome(code, failed, reason if failed else "", passed, skipped, 1.0, 0.1, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("return a + b", []),
        ("return b + a", ["breakage upside-down no longer applies: its old text is not in code.py"]),
        ("a + b + a + b", ["breakage upside-down no longer applies: its old text is 2 times in code.py"]),
        (None, ["breakage upside-down no longer applies: code.py is not there"]),
    ],
)
def test_an_edit_that_no_longer_applies_is_reported(
    tmp_path: Path, content: str | None, said: list[str]
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_sum.py").touch()
    if content is not None:
        (tmp_path / "code.py").write_text(content)
    assert stale(tmp_path, [EDIT]) == said


@pytest.mark.parametrize(
    ("of_tests", "verdict"),
    [
        (outcome(), CAUGHT),
        (outcome(code=0, passed=1), MISSED),
        (outcome(code=0, skipped=1), UNCLEAR),  # would have caught nothing
        (outcome(reason="NameError: name 'c' is not defined"), UNCLEAR),  # says nothing of the promise
        (outcome(code=2), UNCLEAR),  # pytest could not read the tests
        (outcome(code=4), UNCLEAR),  # a test of this name is not there
    ],
)
def test_only_a_test_that_failed_has_caught_it(of_tests: Outcome, verdict: str) -> None:
    assert judge(EDIT, of_tests).verdict == verdict


def test_failures_are_reported_once_by_id_with_the_reason_of_the_first() -> None:
    tests = ["tests/test_sum.py::test_of_two[1 - 2]", "tests/test_sum.py::test_of_a_build"]
    assert failures(SUMMARY) == (tests, "assert 3 == -1")
    by_dbt = "Failure in test sums_add_up (tests/sums.sql)\nFailure in test sums_add_up (tests/sums.sql)"
    assert failures(SUMMARY + by_dbt)[1] == "dbt: test sums_add_up"


def test_names_are_one_each_and_every_breakage_has_tests() -> None:
    assert len({each.name for each in BREAKAGES}) == len(BREAKAGES) >= 20
    assert all(each.tests and each.old != each.new for each in BREAKAGES)
