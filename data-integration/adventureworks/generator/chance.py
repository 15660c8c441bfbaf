"""Repeatable chance: one stream of bits per table, integer arithmetic only.

numpy promises that a bit generator's raw output never changes, but not what its distributions make of it, and libm's
last digit differs between processors. So everything here is integers made of raw bits: the same seed gives the same
rows on every machine.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# -ln(u) in 1/65536 for 65,536 levels of u: waiting times of an exponential clock, rounded to whole numbers
WAITING = np.array(
    [round(-math.log((level + 0.5) / 65536) * 65536) for level in range(65536)], dtype=np.int64
)
RACE_CELLS = 1 << 19  # keys in memory at once


def key(seed: int, name: str) -> int:
    """128 bits that belong to this seed and this name alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")


def mix(numbers: np.ndarray, salt: int) -> np.ndarray:
    """One scrambled uint64 per number (splitmix64): random access, so that a chunk needs none before it."""
    z = (numbers.astype(np.uint64) + np.uint64(salt & 0xFFFFFFFFFFFFFFFF)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Chance:
    """The stream of one name under one seed. Every draw moves the stream on."""

    def __init__(self, seed: int, name: str) -> None:
        self._bits = np.random.Philox(key=key(seed, name))

    def bits(self, count: int) -> np.ndarray:
        """`count` raw uint64."""
        return self._bits.random_raw(count)

    def below(self, bound: int | np.ndarray, count: int) -> np.ndarray:
        """`count` whole numbers in [0, bound); bound < 2**31, one for all or one each."""
        return (((self.bits(count) >> np.uint64(32)) * np.asarray(bound, np.uint64)) >> 32).astype(np.int64)

    def between(self, low: int, high: int, count: int) -> np.ndarray:
        """`count` whole numbers in [low, high]."""
        return low + self.below(high - low + 1, count)

    def happens(self, per_mille: int | np.ndarray, count: int) -> np.ndarray:
        """True with a probability of `per_mille` / 1000."""
        return self.below(1000, count) < per_mille

    def choose(self, weights: np.ndarray | list[int], count: int) -> np.ndarray:
        """`count` indexes, each as likely as its whole-number weight."""
        edges = np.cumsum(np.asarray(weights, np.int64))
        return np.searchsorted(edges, self.below(int(edges[-1]), count), side="right")

    def shuffled(self, count: int) -> np.ndarray:
        """0 … count-1 in random order."""
        return np.argsort(self.bits(count), kind="stable")

    def sample(self, size: int, count: int) -> np.ndarray:
        """`count` different numbers below `size`, ascending."""
        return np.sort(self.shuffled(size)[:count])

    def race(self, weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """For each size k: k different indexes of `weights`, heavier ones likelier. Returns them one after the other.

        Every index runs an exponential clock at the speed of its weight; the first k to ring are the choice.
        Every size must be at most the number of positive weights.
        """
        runners = np.flatnonzero(weights)
        slowness = (1 << 40) // np.asarray(weights, np.int64)[runners]
        step = max(1, RACE_CELLS // len(runners))
        chosen = []
        for start in range(0, len(sizes), step):
            part = sizes[start : start + step]
            cells = len(part) * len(runners)
            levels = self.bits(-(-cells // 4)).astype("<u8").view("<u2")[:cells]
            finish = WAITING[levels].reshape(len(part), -1) * slowness
            order = np.argsort(finish, axis=1, kind="stable")
            chosen.append(runners[order[np.arange(len(runners)) < part[:, None]]])
        return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def allot(weights: np.ndarray | list[int], total: int) -> np.ndarray:
    """`total` split in proportion to whole-number weights, to the last unit (largest remainders, first wins)."""
    weights = np.asarray(weights, np.int64)
    exact, whole = weights * total, int(weights.sum())
    shares = exact // whole
    rest = total - int(shares.sum())
    shares[np.argsort(-(exact % whole), kind="stable")[:rest]] += 1
    return shares


def spread(weights: np.ndarray, count: int) -> np.ndarray:
    """`count` ascending positions along the weights, evenly spaced by weight: heavy places get more of them."""
    edges = np.cumsum(weights.astype(np.int64))
    marks = ((2 * np.arange(count, dtype=np.int64) + 1) * int(edges[-1])) // (2 * count)
    return np.searchsorted(edges, marks, side="right")


def settle(counts: np.ndarray, total: int, low: np.ndarray, high: np.ndarray, chance: Chance) -> np.ndarray:
    """`counts`, moved by ones in random places within [low, high] until they sum to `total` (or no room is left)."""
    counts = np.clip(counts, low, high)
    while (gap := total - int(counts.sum())) != 0:
        room = np.flatnonzero(counts < high if gap > 0 else counts > low)
        if not len(room):
            break
        counts[room[chance.shuffled(len(room))[: abs(gap)]]] += 1 if gap > 0 else -1
    return counts
