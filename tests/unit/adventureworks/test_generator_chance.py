"""Repeatable chance: the bits, and what is made of them."""

import numpy as np
import pytest

from adventureworks.generator.chance import Chance, allot, mix, settle, spread


def test_the_stream_is_the_same_on_every_machine() -> None:
    chance = Chance(42, "sales.salesorderheader")
    assert chance.below(1000, 6).tolist() == [432, 933, 798, 827, 227, 351]
    assert chance.choose([1, 0, 5], 6).tolist() == [2, 2, 2, 2, 2, 2]
    assert mix(np.arange(2, dtype=np.uint64), 7).tolist() == [3207296026000306913, 14232521865600346940]


def test_each_name_and_each_seed_has_a_stream_of_its_own() -> None:
    draws = {
        tuple(Chance(seed, name).bits(4).tolist())
        for seed in (1, 2)
        for name in ("sales.store", "sales.customer")
    }
    assert len(draws) == 4


def test_numbers_stay_within_their_bounds_and_reach_them() -> None:
    drawn = Chance(1, "bounds").between(3, 5, 1000)
    assert set(drawn.tolist()) == {3, 4, 5}
    each = Chance(1, "bounds").below(np.array([1, 2, 3] * 500), 1500).reshape(-1, 3)
    assert each.max(axis=0).tolist() == [0, 1, 2]


def test_weights_are_kept_and_weight_zero_is_never_chosen() -> None:
    counts = np.bincount(Chance(1, "weights").choose([1, 0, 9], 20_000), minlength=3)
    assert counts[1] == 0
    assert 0.08 < counts[0] / 20_000 < 0.12


def test_a_race_gives_different_runners_and_favours_the_heavy() -> None:
    weights = np.array([0, 1, 1, 50, 1, 1])
    chosen = Chance(1, "race").race(weights, np.full(2000, 2)).reshape(-1, 2)
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert (chosen > 0).all()
    assert (chosen == 3).any(axis=1).mean() > 0.9


def test_a_race_does_not_depend_on_how_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, sizes = np.arange(1, 9), np.array([1, 0, 3, 8] * 50)
    whole = Chance(5, "cut").race(weights, sizes)
    assert len(whole) == sizes.sum()
    monkeypatch.setattr("adventureworks.generator.chance.RACE_CELLS", 64)  # eight orders at a time
    assert Chance(5, "cut").race(weights, sizes).tolist() == whole.tolist()


def test_no_order_no_race() -> None:
    assert Chance(1, "race").race(np.array([1, 2]), np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize(("weights", "total"), [([1, 1, 1], 10), ([14_655, 1, 0, 621], 230), ([5], 3)])
def test_an_allotment_takes_everything_and_is_fair(weights: list[int], total: int) -> None:
    shares = allot(weights, total)
    assert shares.sum() == total
    assert (np.abs(shares - total * np.array(weights) / sum(weights)) < 1).all()


def test_a_spread_follows_the_weights() -> None:
    places = spread(np.array([1, 0, 3]), 400)
    assert np.bincount(places).tolist() == [100, 0, 300]
    assert (np.diff(places) >= 0).all()


def test_counts_settle_on_their_total_within_their_bounds() -> None:
    low, high = np.ones(50, np.int64), np.full(50, 4)
    for total in (50, 120, 200):
        settled = settle(np.full(50, 2), total, low, high, Chance(1, "settle"))
        assert settled.sum() == total
        assert settled.min() >= 1
        assert settled.max() <= 4


def test_counts_that_cannot_settle_stop_at_their_bounds() -> None:
    settled = settle(np.full(5, 2), 99, np.ones(5, np.int64), np.full(5, 4), Chance(1, "settle"))
    assert settled.tolist() == [4] * 5
