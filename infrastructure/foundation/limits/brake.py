"""A rising delay for who guesses: after some wrong passwords the next try has to wait, twice as long each time."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

log = logging.getLogger(__name__)

FREE, FREE_OF_ADDRESS = (
    5,
    50,
)  # wrong tries that cost nothing: of a user from an address, and of an address in all
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 900.0  # after the last wrong try
KEYS = 10_000  # the oldest are forgotten
STRONG = 20  # characters of a secret that a machine made: nobody guesses it, however often he may try


@dataclass
class _Tries:
    wrong: int = 0
    until: float = 0.0
    last: float = 0.0


def unguessable(secret: str) -> bool:
    """Whether a client with this secret need not wait for others' wrong tries: nobody can keep a program out by guessing."""
    return len(secret) >= STRONG


def _place(address: str) -> str:
    """What one machine can't change of its address: all that lead back to it are one, and so is a network of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return "this machine"
    return str(ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Brake:
    """Counts wrong tries by address and user. `wait` comes before a password is looked at, `tried` after.

    Who waits is refused whatever the password, a right one too: else a guess would cost nothing. (Where the secret is `unguessable`, a
    server may let the right one in.) A user's name counts without its case, as Superset and Airflow look it up.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._tries: OrderedDict[tuple[str, ...], _Tries] = OrderedDict()
        self._lock = Lock()

    def wait(self, address: str, user: str = "") -> float:
        """Seconds until this user may try again from this address; 0 when now."""
        address, user, now = _place(address), user.strip().casefold(), self._clock()
        with self._lock:
            found = [self._tries[key] for key in ((address, user), (address,)) if key in self._tries]
            return max([0.0, *(tries.until - now for tries in found)])

    def tried(self, address: str, user: str = "", *, right: bool) -> None:
        """Note a try. A right one makes its user's wrong ones forgotten, not those of the address."""
        address, user, now = _place(address), user.strip().casefold(), self._clock()
        with self._lock:
            if right:
                self._tries.pop((address, user), None)
                return
            delays = [
                self._wrong(key, free, now)
                for key, free in (((address, user), FREE), ((address,), FREE_OF_ADDRESS))
            ]
        if delay := max(delays):
            log.warning(
                "%s: wrong password again, user %.64r from %s: the next try has to wait %d s",
                self._name,
                user,
                address,
                delay,
            )

    def _wrong(self, key: tuple[str, ...], free: int, now: float) -> float:
        """The delay after one more wrong try of a key."""
        tries = self._tries.pop(key, _Tries())
        if now - tries.last > FORGOTTEN_SECONDS:
            tries = _Tries()
        tries.wrong, tries.last = tries.wrong + 1, now
        delay = min(LONGEST_SECONDS, 2.0 ** min(tries.wrong - free, 16)) if tries.wrong >= free else 0.0
        tries.until = now + delay
        self._tries[key] = tries
        if len(self._tries) > KEYS:
            self._tries.popitem(last=False)
        return delay
