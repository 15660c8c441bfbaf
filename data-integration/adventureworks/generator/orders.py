"""Who orders when: the days of all orders, and the customers behind them.

The shape: slow growth while there are only bikes to buy online, a jump when clothing and accessories open there
(third season), a yearly rhythm with peaks in early summer and December, weekends for the web and month ends for resellers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adventureworks.generator.chance import Chance, allot, spread
from adventureworks.generator.columns import Plan

ONLINE_ORDERS, RESELLER_ORDERS = 27_659, 3_806
INDIVIDUALS, BUYERS = 18_484, 635  # customers who order: persons, and persons at stores
STORES = 701

# January … December, Monday … Sunday, in percent of an average day
YEARLY = np.array([82, 84, 96, 103, 116, 122, 106, 98, 94, 95, 102, 126])
WEEKLY_ONLINE = np.array([104, 94, 92, 94, 98, 110, 114])
WEEKLY_RESELLER = np.array([120, 110, 105, 105, 100, 6, 2])
MONTH_END = 6  # reseller orders: a day from the 28th on counts as so many

# customers per territory 1 … 10
INDIVIDUALS_BY_TERRITORY = [3341, 8, 8, 4450, 12, 1571, 1810, 1780, 3591, 1913]
STORES_BY_TERRITORY = [87, 49, 61, 115, 79, 106, 34, 32, 34, 38]


@dataclass(frozen=True)
class Book:
    """All orders by number, oldest first. Customers are numbered from 0 within their kind."""

    day: np.ndarray  # days since 1970-01-01
    online: np.ndarray  # bool
    customer: np.ndarray  # index among individuals if online, else among buyers
    first_day: np.ndarray  # per individual: the day of the first order
    individual_territory: np.ndarray
    store_territory: np.ndarray
    buyers: int  # buyer i buys for store i; the last stores have none

    @property
    def orders(self) -> int:
        return len(self.day)


def book(plan: Plan) -> Book:
    """The orders of all 1,127 days up to and including `as_of`."""
    chance = plan.chance("sales.salesorderheader.book")
    online_day = _days(plan, _online_demand, plan.rows(ONLINE_ORDERS), chance)
    reseller_day = _days(plan, _reseller_demand, plan.rows(RESELLER_ORDERS), chance)
    individuals, stores = plan.rows(INDIVIDUALS), plan.rows(STORES)
    buyers = min(plan.rows(BUYERS), stores, len(reseller_day))
    web_customer = _customers(len(online_day), individuals, 100, chance)
    buyer = _customers(len(reseller_day), buyers, 300, chance)

    day = np.concatenate([reseller_day, online_day])
    order = np.argsort(day, kind="stable")
    first_day = np.empty(individuals, np.int64)
    first_day[web_customer[::-1]] = online_day[::-1]  # the earliest is written last
    return Book(
        day=day[order],
        online=np.repeat([False, True], [len(reseller_day), len(online_day)])[order],
        customer=np.concatenate([buyer, web_customer])[order],
        first_day=first_day,
        individual_territory=_territories(INDIVIDUALS_BY_TERRITORY, individuals, chance),
        store_territory=_territories(STORES_BY_TERRITORY, stores, chance),
        buyers=buyers,
    )


def calendar(days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Month (0 … 11), day of the month (1 … 31) and weekday (0 = Monday) of days since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    return months.astype(np.int64) % 12, (dates - months).astype(np.int64) + 1, (days + 3) % 7


def _days(
    plan: Plan, demand: Callable[[Plan, np.ndarray], np.ndarray], count: int, chance: Chance
) -> np.ndarray:
    """`count` days, ascending, the first on the opening and the last on `as_of`."""
    elapsed = np.arange(plan.SPAN + 1, dtype=np.int64)
    weights = demand(plan, elapsed) * chance.between(80, 120, len(elapsed))
    days = plan.opening + spread(weights, count)
    days[0], days[-1] = plan.opening, plan.last_day
    return days


def _online_demand(plan: Plan, elapsed: np.ndarray) -> np.ndarray:
    month, _, weekday = calendar(plan.opening + elapsed)
    launch = plan.SEASONS[2]
    level = np.where(elapsed < launch, 450 + elapsed * 700 // launch, 4700 + (elapsed - launch) * 5)
    return level * YEARLY[month] * WEEKLY_ONLINE[weekday]


def _reseller_demand(plan: Plan, elapsed: np.ndarray) -> np.ndarray:
    month, date, weekday = calendar(plan.opening + elapsed)
    level = (500 + elapsed * 700 // plan.SPAN) * np.where(date >= 28, MONTH_END, 1)
    return level * YEARLY[month] * WEEKLY_RESELLER[weekday]


def _customers(orders: int, customers: int, loyal: int, chance: Chance) -> np.ndarray:
    """The customer of each order, oldest first: each customer orders at least once, some often.

    New customers get rarer with time. Of the other orders, `loyal` per mille fall mostly to few, old customers, and the rest
    mostly to new ones, who come back less and less.
    """
    lateness = 3 * orders + np.arange(orders, dtype=np.int64)
    rank = (chance.bits(orders) >> np.uint64(34)).astype(np.int64) * lateness
    rank[0] = -1  # somebody must be first
    new = np.zeros(orders, bool)
    new[np.argsort(rank, kind="stable")[:customers]] = True
    known = np.cumsum(new)
    recent = known - 1 - chance.below(chance.below(chance.below(known, orders) + 1, orders) + 1, orders)
    regular = chance.below(chance.below(known, orders) + 1, orders)
    again = np.where(chance.happens(loyal, orders), regular, recent)
    return chance.shuffled(customers)[np.where(new, known - 1, again)]


def _territories(weights: list[int], count: int, chance: Chance) -> np.ndarray:
    """Territory 1 … 10 of each of `count` customers."""
    return (1 + np.repeat(np.arange(len(weights)), allot(weights, count)))[chance.shuffled(count)]
