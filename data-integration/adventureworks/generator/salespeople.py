"""Who sells: salespeople, their territories, quotas and postings, and who took which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adventureworks.generator.columns import (
    Frame,
    Plan,
    amounts,
    stamped,
    timestamps,
)
from adventureworks.generator.lines import Lines
from adventureworks.generator.orders import Book
from adventureworks.generator.reference import facts

# salesperson, territory, first day, last day (inclusive; None: to this day); days after the opening
POSTINGS = (
    (275, 2, 0, 548), (275, 3, 549, None), (276, 4, 0, None), (277, 3, 0, 548), (277, 2, 549, None), (278, 6, 0, None),
    (279, 5, 0, None), (280, 1, 0, 487), (281, 4, 0, None), (282, 6, 0, 364), (282, 10, 365, None), (283, 1, 0, None),
    (284, 1, 488, None), (286, 9, 730, None), (288, 8, 730, None), (289, 6, 365, None), (290, 7, 365, None),
)  # fmt: skip
FIRST_SELLER, SELLERS = 274, 17
MANAGERS = {"North America": 274, "Europe": 287, "Pacific": 285}
MANAGER_SINCE = {274: 0, 285: 653, 287: 320}  # hired so many days after the opening; 274 stands in before
# per mille of reseller orders that the manager, or a former salesperson, takes
BY_MANAGER, BY_FORMER = 27, 110
# of each salesperson, today and on paper
TERRITORY = (None, 2, 4, 3, 6, 5, 1, 4, 6, 1, 1, None, 9, None, 8, 10, 7)
QUOTA = (0, 300, 250, 250, 250, 300, 250, 250, 250, 250, 300, 0, 250, 0, 250, 250, 250)  # thousands
COMMISSION = (0, 12, 15, 15, 10, 10, 10, 10, 15, 12, 19, 0, 18, 0, 18, 20, 16)  # per mille
QUARTERS = (0, 92, 184, 275, 365, 457, 549, 640, 730, 822, 914, 1005)
FIRST_QUARTER = {284: 5, 285: 8, 286: 8, 287: 4, 288: 8, 289: 4, 290: 4}  # the others: the first


@dataclass(frozen=True)
class Sales:
    """Orders as other rooms need them."""

    territory: np.ndarray  # per order
    seller: np.ndarray  # per order, 0: nobody
    subtotal: np.ndarray  # per order, 1/10,000


def sell(plan: Plan, book: Book, basket: Lines) -> Sales:
    """Who sold each order, where, and for how much."""
    territory = np.empty(book.orders, np.int64)
    territory[book.online] = book.individual_territory[book.customer[book.online]]
    territory[~book.online] = book.store_territory[book.customer[~book.online]]
    return Sales(territory, _sellers(plan, book, territory), basket.subtotals)


def salespeople(plan: Plan, book: Book, sold: Sales) -> list[Frame]:
    """Territories, and who sells there: with quotas and past postings."""
    return [
        _territories(plan, book, sold),
        _salespeople(plan, book, sold),
        _quotas(plan, book, sold),
        _postings(plan),
    ]


def _sellers(plan: Plan, book: Book, territory: np.ndarray) -> np.ndarray:
    """The salesperson of each reseller order: the one posted there, now and then a manager or the one before."""
    chance = plan.chance("sales.salesorderheader.seller")
    groups = facts("sales.salesterritory").strings("group")
    elapsed = book.day - plan.opening
    seller = np.zeros(book.orders, np.int64)
    by_manager, by_former = chance.happens(BY_MANAGER, book.orders), chance.happens(BY_FORMER, book.orders)
    draw = chance.below(1 << 20, book.orders)
    for number in range(1, 11):
        here = ~book.online & (territory == number)
        manager = MANAGERS[groups[number - 1]]
        stand_in = np.where(elapsed >= MANAGER_SINCE[manager], manager, MANAGERS["North America"])
        present, former = [], np.zeros(book.orders, np.int64)
        for person, posting, start, end in POSTINGS:
            if posting == number:
                present.append(np.where((elapsed >= start) & (elapsed <= (end or plan.SPAN)), person, 0))
                former = np.where(elapsed > (end or plan.SPAN), person, former)
        posted = np.sort(np.stack(present), axis=0)[::-1]  # those who are there first
        there = np.count_nonzero(posted, axis=0)
        regular = posted[draw % np.maximum(there, 1), np.arange(book.orders)]
        taken_by = np.where((there == 0) | by_manager, stand_in, regular)
        taken_by = np.where(by_former & (former > 0), former, taken_by)
        seller[here] = taken_by[here]
    return seller


def _territories(plan: Plan, book: Book, sold: Sales) -> Frame:
    source = facts("sales.salesterritory")
    recent, before = _by_year(plan, book, sold.territory, sold.subtotal, source.rows + 1)
    return stamped(
        plan,
        "sales.salesterritory",
        {
            "territoryid": source.numbers("territoryid"),
            "name": source.strings("name"),
            "countryregioncode": source.strings("countryregioncode"),
            "group": source.strings("group"),
            "salesytd": amounts(recent[1:]),
            "saleslastyear": amounts(before[1:]),
            "costytd": "0",
            "costlastyear": "0",
        },
    )


def _by_year(
    plan: Plan, book: Book, group: np.ndarray, subtotal: np.ndarray, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sales per group within the last 365 days, and within the 365 days before."""
    ago = plan.last_day - book.day
    totals = []
    for least in (0, 365):
        sums = np.zeros(groups, np.int64)
        within = (ago >= least) & (ago < least + 365)
        np.add.at(sums, group[within], subtotal[within])
        totals.append(sums)
    return totals[0], totals[1]


def _salespeople(plan: Plan, book: Book, sold: Sales) -> Frame:
    chance = plan.chance("sales.salesperson")
    person = FIRST_SELLER + np.arange(SELLERS)
    index = np.where(sold.seller > 0, sold.seller - FIRST_SELLER, SELLERS)
    recent, before = _by_year(plan, book, index, sold.subtotal, SELLERS + 1)
    quota = np.array(QUOTA) * 1000
    started = plan.opening + np.array([first_day(number) for number in person.tolist()])
    return stamped(
        plan,
        "sales.salesperson",
        {
            "businessentityid": person,
            "territoryid": pa.array(TERRITORY, pa.int32()),
            "salesquota": amounts(quota * 10_000, missing=quota == 0),
            "bonus": amounts(np.where(quota > 0, 50 * chance.between(1, 130, SELLERS), 0) * 10_000),
            "commissionpct": amounts(np.array(COMMISSION), 3),
            "salesytd": amounts(recent[:SELLERS]),
            "saleslastyear": amounts(before[:SELLERS]),
            "modifieddate": timestamps(started - 7),
        },
    )


def posted_today() -> dict[int, int]:
    """The salesperson who looks after each territory now."""
    return {territory: person for person, territory, _, last in POSTINGS if last is None}


def first_day(person: int) -> int:
    """Days after the opening: a manager's hire, or the first posting."""
    if person in MANAGER_SINCE:
        return MANAGER_SINCE[person]
    return min(start for number, _, start, _ in POSTINGS if number == person)


def _quotas(plan: Plan, book: Book, sold: Sales) -> Frame:
    """A quota per salesperson and quarter: what was then sold, give or take a third, in whole thousands."""
    chance = plan.chance("sales.salespersonquotahistory")
    pairs = [
        (person, quarter)
        for person in range(FIRST_SELLER, FIRST_SELLER + SELLERS)
        for quarter in range(FIRST_QUARTER.get(person, 0), len(QUARTERS))
    ]
    person, quarter = np.array(pairs).T
    cell = np.zeros((SELLERS + 1, len(QUARTERS)), np.int64)
    reseller = sold.seller > 0
    of_order = np.searchsorted(np.array(QUARTERS), book.day - plan.opening, side="right") - 1
    np.add.at(cell, (sold.seller[reseller] - FIRST_SELLER, of_order[reseller]), sold.subtotal[reseller])
    reached = cell[person - FIRST_SELLER, quarter] // 10_000
    quota = np.maximum(reached * chance.between(75, 130, len(pairs)) // 100_000, 1) * 1000
    day = plan.opening + np.array(QUARTERS)[quarter]
    return stamped(
        plan,
        "sales.salespersonquotahistory",
        {
            "businessentityid": person,
            "quotadate": timestamps(day),
            "salesquota": amounts(quota * 10_000),
            "modifieddate": timestamps(day - 45),
        },
    )


def _postings(plan: Plan) -> Frame:
    person, territory, start = (np.array([posting[at] for posting in POSTINGS]) for at in range(3))
    end = np.array([posting[3] or 0 for posting in POSTINGS])
    first, last = plan.opening + start, plan.opening + end
    return stamped(
        plan,
        "sales.salesterritoryhistory",
        {
            "businessentityid": person,
            "territoryid": territory,
            "startdate": timestamps(first),
            "enddate": timestamps(last, end == 0),
            "modifieddate": timestamps(np.where(end == 0, first, last) - 7),
        },
    )
