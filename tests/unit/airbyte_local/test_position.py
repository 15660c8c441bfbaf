"""Which servers count as the one that the state was saved from."""

from __future__ import annotations

import pytest

from airbyte_local.sources.postgres.connect import Address
from airbyte_local.sources.postgres.position import check_position, lsn, number
from foundation.errors import EltError

ADDRESS = Address("127.0.0.1", 5432, "shop", "reader", "secret", "prefer")
SAVED = {"system": "1", "timeline": "00000001", "database": 5, "lsn": "1/10"}


@pytest.mark.parametrize("changes", [{}, {"lsn": "1/11"}, {"lsn": "2/0"}])
def test_the_same_server_further_on_is_fine(changes: dict) -> None:
    check_position(ADDRESS, SAVED, SAVED | changes)
    check_position(ADDRESS, None, SAVED | changes)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"lsn": "0/FFFFFFFF"}, "restored from an older copy"),
        ({"timeline": "00000002", "lsn": "9/0"}, "restored to a point in time, or promoted"),
        ({"system": "2"}, "another database"),
        ({"database": 6}, "another database"),
    ],
)
def test_what_cannot_be_later_is_refused(changes: dict, found: str) -> None:
    with pytest.raises(EltError, match=found):
        check_position(ADDRESS, SAVED, SAVED | changes)


def test_positions_are_bytes() -> None:
    assert number("16/B374D848") == 0x16B374D848


@pytest.mark.parametrize("text", ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
def test_a_position_goes_both_ways(text: str) -> None:
    assert lsn(number(text)) == text
