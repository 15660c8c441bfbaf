"""The shop trades: a simulated day, set-based and in one transaction, or live, event by event.

Each event is a file of SQL in `trading/`. Chance is a hash of the seed, the day and the row, so a
day is the same again for the same database content and seed; only `modifieddate` is the real clock (a trigger's). Rows
are locked with `skip locked`, header before lines, and new keys come from sequences: any number of shops may trade on
one database at the same time. Deleted are: lines of cancelled orders, addresses that nothing was sent to, and what was known
of a customer who wants to be forgotten (`erasure`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from adventureworks.erasure import erase, find
from foundation.errors import EltError
from foundation.pace import paced
from foundation.rows import one_row

DAY_LOCK = 0x41574C45  # advisory lock: one simulated day at a time
EVERY_ONE = 2**31 - 1


@dataclass(frozen=True)
class ShopDay:
    """What one trading day changed."""

    date: date
    new_orders: int
    new_lines: int
    status_changes: int
    price_changes: int
    address_moves: int
    late_corrections: int
    new_customers: int
    cleared_lines: int
    deleted_addresses: int
    forgotten_customers: int

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"date": self.date.isoformat()}

    def sentence(self) -> str:
        """The day on one line, for people."""
        changes = (f"{count} {name.replace('_', ' ')}" for name, count in list(asdict(self).items())[1:])
        return f"{self.date.isoformat()}: {', '.join(changes)}"


def day(conn: psycopg.Connection, seed: int = 42) -> ShopDay:
    """Trade on the day after the newest order date, in one transaction.

    Volume follows the last 30 active days. Raises EltError when the database holds no orders yet.
    """
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(%s)", [DAY_LOCK])
        today = newest_order_date(conn) + timedelta(days=1)
        trade = Trade(conn, today)
        trade.prepare()
        online, resellers = trade.volume(seed)
        trade.run("effective_prices", seed)
        newcomers = trade.run("new_customers", seed, count=max(1, online // 8))[0]
        moves = trade.run("address_moves", seed, count=max(2, online // 20))[0]
        statuses = trade.run("status_changes", seed, count=EVERY_ONE, returns=max(1, online // 50))[0]
        corrections = trade.run("late_corrections", seed, count=max(2, (online + resellers) // 25))[0]
        orders, lines = trade.run(
            "new_orders",
            seed,
            newcomers=newcomers,
            online=max(0, online - len(newcomers)),
            resellers=resellers,
        )
        prices = trade.run("price_changes", seed, count=3)[0]
        cleared = trade.run("cancelled_lines", seed, count=max(1, (online + resellers) // 20))[0]
        addresses = trade.run("obsolete_addresses", seed, count=max(2, online // 20))[0]
        forgotten = trade.forget(seed)
    return ShopDay(
        date=today,
        new_orders=orders,
        new_lines=lines,
        status_changes=statuses,
        price_changes=prices,
        address_moves=moves,
        late_corrections=corrections,
        new_customers=len(newcomers),
        cleared_lines=cleared,
        deleted_addresses=addresses,
        forgotten_customers=forgotten,
    )


# Beside each live order: how often what else happens, and what it counts as.
BESIDE = (
    ("status_changes", 0.6, {"count": 1, "returns": 0}),
    ("address_moves", 0.04, {"count": 1}),
    ("late_corrections", 0.03, {"count": 1}),
    ("price_changes", 0.005, {"count": 1}),
    ("cancelled_lines", 0.02, {"count": 1}),
    ("obsolete_addresses", 0.04, {"count": 1}),
)
FORGOTTEN = 0.002  # and how often a customer wants to be forgotten


def live(
    conn: psycopg.Connection,
    rate: float,
    seconds: float | None = None,
    seed: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Trade live on the newest order date: `rate` orders per second, each event a transaction of its own.

    Ends after `seconds`, or between two events once `stopped()`. Returns how often what happened.
    """
    seed = secrets.randbits(48) if seed is None else seed
    conn.autocommit = True
    trade = Trade(conn, newest_order_date(conn))
    with conn.transaction():
        trade.prepare()
    always = ["new_orders", "new_lines", "new_customers"]
    done = dict.fromkeys([*always, *(name for name, _, _ in BESIDE), "forgotten_customers"], 0)
    for number in paced(rate, stopped, seconds=seconds):
        _serve(trade, f"{seed} {number}", done)
    return done


def _serve(trade: Trade, seed: str, done: dict[str, int]) -> None:
    """One order by somebody, and what happens with it."""
    (dice,) = one_row(trade.conn.execute("select pg_temp.dice(%s)", [seed]))
    newcomers: list[int] = []
    online, resellers = int(dice >= 0.2), int(dice < 0.1)
    with trade.conn.transaction():
        if 0.1 <= dice < 0.2:
            newcomers = trade.run("new_customers", seed, count=1)[0]
        orders, lines = trade.run("new_orders", seed, newcomers=newcomers, online=online, resellers=resellers)
    done["new_customers"] += len(newcomers)
    done["new_orders"] += orders
    done["new_lines"] += lines
    for name, chance, parameters in BESIDE:
        (dice,) = one_row(trade.conn.execute("select pg_temp.dice(%s)", [f"{seed} {name}"]))
        if dice < chance:
            with trade.conn.transaction():
                done[name] += trade.run(name, seed, **parameters)[0]
    (dice,) = one_row(trade.conn.execute("select pg_temp.dice(%s)", [f"{seed} forgotten"]))
    if dice < FORGOTTEN:
        with trade.conn.transaction():
            done["forgotten_customers"] += trade.forget(seed)


def newest_order_date(conn: psycopg.Connection) -> date:
    """The shop's calendar. Raises EltError when there are no orders."""
    newest: date | None = one_row(conn.execute("select max(orderdate)::date from sales.salesorderheader"))[0]
    if newest is None:
        raise EltError(
            "the source database holds no orders to go on from",
            "fill it: `elt source load` or `elt source generate`",
        )
    return newest


@dataclass(frozen=True)
class Trade:
    """Runs the statements of `trading/` on one connection, for one day."""

    conn: psycopg.Connection
    today: date

    def prepare(self) -> None:
        """Lay out what orders are drawn from (temporary tables of the session)."""
        self.run("prepare", 0)

    def volume(self, seed: int) -> tuple[int, int]:
        """How many online and reseller orders today brings: the recent average, give or take a fifth, at least some."""
        (swing,) = one_row(self.conn.execute("select pg_temp.dice(%s)", [f"{seed} {self.today} volume"]))
        online, resellers = (average * (0.8 + 0.4 * swing) for average in self.run("volume", seed))
        return max(3, round(online)), max(2, round(resellers))

    def forget(self, seed: int | str) -> int:
        """A customer who has not been here for long is forgotten; returns how many there were."""
        leaving = self.run("leaving_customers", seed, count=1)[0]
        for customer in leaving:
            erase(self.conn, find(self.conn, customer))
            self.conn.execute("delete from pg_temp.shop_customer where customerid = %s", [customer])
        return len(leaving)

    def run(self, step: str, seed: int | str, **parameters: object) -> tuple[Any, ...]:
        """Run a step; returns the first row of its last statement (an empty tuple when that returns none)."""
        values = {"seed": f"{seed} {self.today}", "day": self.today, **parameters}
        # values are put in on this side: PostgreSQL can't guess the types of concat_ws' arguments
        with psycopg.ClientCursor(self.conn) as cursor:
            cursor.execute(_statements(step), values)
            while cursor.nextset():
                pass
            return (cursor.fetchone() or ()) if cursor.description else ()


@cache
def _statements(step: str) -> str:
    return (Path(__file__).parent / "trading" / f"{step}.sql").read_text()
