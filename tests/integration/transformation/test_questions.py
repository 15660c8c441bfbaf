"""The questions of the documentation have the answers that it says, on the original data."""

from __future__ import annotations

import duckdb
import pytest

from tests.integration.transformation.answers import Question, as_table, questions
from tests.integration.transformation.raw_layer import Warehouse

pytestmark = pytest.mark.promise

QUESTIONS = questions()


def test_there_are_at_least_fifteen_questions() -> None:
    assert len({question.title for question in QUESTIONS}) == len(QUESTIONS) >= 15


@pytest.mark.parametrize("question", QUESTIONS, ids=[question.title for question in QUESTIONS])
def test_question_has_the_answer_that_the_page_shows(original_build: Warehouse, question: Question) -> None:
    with duckdb.connect(original_build.path, read_only=True) as connection:
        assert as_table(connection.execute(question.sql)) == question.answer
