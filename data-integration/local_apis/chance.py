"""Repeatable chance: the same seed and names give the same numbers, in any order and any process."""

from __future__ import annotations

from hashlib import blake2b
from struct import unpack


def fractions(seed: int, *names: object) -> tuple[float, float, float, float]:
    """Four numbers in [0, 1)."""
    digest = blake2b("\0".join((str(seed), *map(str, names))).encode(), digest_size=16).digest()
    first, second, third, fourth = unpack("<4I", digest)
    return first / 2**32, second / 2**32, third / 2**32, fourth / 2**32
