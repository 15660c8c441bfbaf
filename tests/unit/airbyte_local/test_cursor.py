"""The cursor rule as arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airbyte_local.schema import Column, DataType, Kind
from airbyte_local.sources.postgres.cursor import Watermark, check_cursor, condition, next_cursor
from foundation.errors import EltError

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
HOUR = 3_600_000_000
NOON_MICROSECONDS = 1_717_243_200_000_000


def column(kind: Kind, nullable: bool = False) -> Column:
    return Column("at", str(kind), DataType(kind), nullable, as_text=False)


def watermark(offset: int = 0, prepared: str | None = None) -> Watermark:
    return Watermark(NOON, timedelta(hours=offset), prepared)


@pytest.mark.parametrize(
    ("kind", "greatest", "expected"),
    [
        (Kind.TIMESTAMP, NOON_MICROSECONDS - 1, "2024-06-01 11:59:59.999999"),
        (Kind.TIMESTAMP, NOON_MICROSECONDS + 1, "2024-06-01 12:00:00"),
        (Kind.TIMESTAMP, 2**63 - 1, "2024-06-01 12:00:00"),
        (Kind.TIMESTAMPTZ, NOON_MICROSECONDS + HOUR, "2024-06-01 12:00:00+00"),
        (Kind.DATE, 19_874, "2024-05-31"),
        (Kind.DATE, 99_999, "2024-06-01"),
        (Kind.INTEGER, 7, "7"),
    ],
)
def test_the_lesser_of_greatest_and_w_is_saved(kind: Kind, greatest: int, expected: str) -> None:
    assert next_cursor(column(kind), None, greatest, watermark()) == expected


def test_w_is_local_time_for_a_cursor_without_zone() -> None:
    ahead = watermark(offset=2)
    assert next_cursor(column(Kind.TIMESTAMP), None, 2**63 - 1, ahead) == "2024-06-01 14:00:00"
    assert next_cursor(column(Kind.TIMESTAMPTZ), None, 2**63 - 1, ahead) == "2024-06-01 12:00:00+00"


@pytest.mark.parametrize("kind", [Kind.TIMESTAMP, Kind.BIGINT])
def test_a_sync_that_read_nothing_keeps_the_position(kind: Kind) -> None:
    assert next_cursor(column(kind), "saved", None, watermark()) == "saved"
    assert next_cursor(column(kind), None, None, watermark()) is None


def test_a_prepared_transaction_keeps_the_position_of_time_cursors() -> None:
    assert next_cursor(column(Kind.TIMESTAMP), "saved", NOON_MICROSECONDS, watermark(prepared="x")) == "saved"
    assert next_cursor(column(Kind.INTEGER), "1", 2, watermark(prepared="x")) == "2"


def test_a_moment_before_the_year_one_is_read_again_from_the_start() -> None:
    assert next_cursor(column(Kind.TIMESTAMP), None, -(2**62), watermark()) is None
    assert next_cursor(column(Kind.DATE), None, -(2**30), watermark()) is None


def test_the_bound_is_inclusive_and_nulls_are_read() -> None:
    assert condition(column(Kind.TIMESTAMP), None).as_string() == ""
    assert condition(column(Kind.DATE), "2024-01-01").as_string() == """ where "at" >= '2024-01-01'::date"""
    both = """ where ("at" >= '5'::bigint or "at" is null)"""
    assert condition(column(Kind.SMALLINT, nullable=True), "5").as_string() == both


def test_a_saved_value_cannot_leave_its_quotes() -> None:
    assert (
        "'1''; drop table x; --'::timestamp"
        in condition(column(Kind.TIMESTAMP), "1'; drop table x; --").as_string()
    )


def test_text_cannot_be_a_cursor() -> None:
    check_cursor("shop.orders", column(Kind.TIMESTAMPTZ))
    with pytest.raises(EltError, match="which cannot be a cursor"):
        check_cursor("shop.orders", column(Kind.TEXT))
