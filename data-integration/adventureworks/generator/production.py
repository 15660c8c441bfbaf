"""Making: bills of materials, work orders with their routing and scrap, inventory, and every movement of goods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adventureworks.generator.chance import allot, settle, spread
from adventureworks.generator.columns import (
    Frame,
    Plan,
    amounts,
    decimal_text,
    from_list,
    nullable,
    stamped,
    timestamps,
)
from adventureworks.generator.lines import Lines
from adventureworks.generator.orders import YEARLY, Book, calendar
from adventureworks.generator.products import Catalogue
from adventureworks.generator.purchasing import Bought
from adventureworks.generator.sales import FIRST_ORDER

WORK_ORDERS = 72_591
PLAIN_PART, PRICED_PART = 0, -1  # made, without subcategory: without and with a list price
# subcategory, operations, work orders, typical quantity. Operations are the stations of STATIONS, by number
FRAME_PAINTED, FRAME_SPECIAL = (1, 2, 3, 4, 6, 7), (1, 2, 3, 5, 6, 7)
MAKING = (
    (PLAIN_PART, (), 18_504, 180), (PRICED_PART, (6, 7), 4_546, 20), (1, (7,), 3_864, 7), (2, (7,), 6_623, 7),
    (3, (7,), 2_031, 7), (4, (1, 2, 6), 4_433, 21), (5, (6,), 2_672, 34), (8, (6,), 2_008, 45), (9, (1, 6), 1_105, 82),
    (9, (6,), 1_102, 82), (10, (1, 6), 2_539, 46), (11, (6,), 2_011, 45), (12, FRAME_PAINTED, 551, 10),
    (12, FRAME_SPECIAL, 674, 8), (12, (), 2_995, 10), (14, FRAME_PAINTED, 265, 10), (14, (), 6_444, 9),
    (16, (), 2_023, 9), (17, (6,), 8_201, 23),
)  # fmt: skip
# operation: location, hours in 1/10,000, cost in 1/10,000
STATIONS = {
    1: (10, 41_000, 922_500), 2: (20, 35_000, 875_000), 3: (30, 10_000, 145_000), 4: (40, 20_000, 315_000),
    5: (45, 20_000, 360_000), 6: (50, 30_000, 367_500), 7: (60, 40_000, 490_000),
}  # fmt: skip
DURATIONS = ([10, 11, 12, 14, 16, 18, 20, 22], [415, 275, 40, 40, 65, 50, 70, 45])  # days, and how common
DAYS_DUE = 11
SCRAPPED = 10  # work orders per mille with scrap
SCRAP_SHARE = 400  # per mille of its pieces that are scrapped then, at most
SCRAP_REASONS = 16
RECENT_MOVEMENTS, ARCHIVED_MOVEMENTS, FIRST_RECENT = 113_443, 89_253, 100_000

INVENTORY, STOCKED = 1_069, 432  # places with stock; products that have any
# where goods lie, most usual place first: purchased parts, bikes, components, clothing, accessories
STORES = ((1, 6, 50), (7, 60, 50), (6, 50, 20), (7, 6, 1), (7, 6, 5))
SHELVES = [*"ABCDEFGHJKLMNRSTUVWY", "N/A"]
FINISHED_STORES = (7, 60)

BIKES = 1
# level of the bill of materials: rows, of them ended
BILL = {0: (103, 6), 1: (1_548, 190), 2: (993, 3), 3: (31, 0), 4: (4, 0)}


@dataclass(frozen=True)
class WorkOrders:
    """Work orders, oldest first."""

    day: np.ndarray
    product: np.ndarray  # position in the catalogue
    quantity: np.ndarray
    making: np.ndarray  # index in MAKING


def production(plan: Plan, book: Book, goods: Catalogue, basket: Lines, bought: Bought) -> list[Frame]:
    """The tables of schema production that change from day to day."""
    work = _work(plan, goods)
    return [
        *_work_orders(plan, goods, work),
        *_movements(plan, book, goods, basket, bought, work),
        _inventory(plan, goods),
        _bill(plan, goods),
    ]


# -- work orders


def _work(plan: Plan, goods: Catalogue) -> WorkOrders:
    chance = plan.chance("production.workorder.book")
    elapsed = np.arange(3, plan.SPAN + 1)
    month, _, weekday = calendar(plan.opening + elapsed)
    weights = (700 + elapsed * 400 // plan.SPAN) * YEARLY[month] * np.where(weekday < 5, 10, 2)
    count = plan.rows(WORK_ORDERS)
    day = plan.opening + 3 + spread(weights, count)
    making = np.repeat(np.arange(len(MAKING)), allot([orders for *_, orders, _ in MAKING], count))
    making = making[chance.shuffled(count)]
    season = np.searchsorted(np.array(plan.SEASONS[1:]), day - plan.opening, side="right")
    product = np.empty(count, np.int64)
    for number, (kind, *_) in enumerate(MAKING):
        for year in range(3):
            here = np.flatnonzero((making == number) & (season == year))
            product[here] = chance.choose(_makeable(goods, kind, year), len(here))
    typical = np.array([quantity for *_, quantity in MAKING])[making]
    quantity = 1 + chance.below(1 + chance.below(4 * typical, count), count)
    quantity = np.where((typical > 100) & chance.happens(5, count), quantity * 40, quantity)
    order = np.lexsort((product, day))
    return WorkOrders(day[order], product[order], quantity[order], making[order])


def _makeable(goods: Catalogue, kind: int, season: int) -> np.ndarray:
    """How likely each product is made in a season, given the kind of work order."""
    if kind in (PLAIN_PART, PRICED_PART):
        plain = goods.made & (goods.subcategory == 0) & (goods.list_price == 0)
        return (plain if kind == PLAIN_PART else _priced_parts(goods)).astype(np.int64)
    demand = goods.online_demand[season] + goods.reseller_demand[season]
    wanted = np.where(goods.made & (goods.subcategory == kind), demand, 0)
    # what nobody orders yet is made for stock
    return wanted if wanted.any() else (goods.made & (goods.subcategory == kind)).astype(np.int64)


def _work_orders(plan: Plan, goods: Catalogue, work: WorkOrders) -> list[Frame]:
    chance = plan.chance("production.workorder")
    count = len(work.day)
    days, common = DURATIONS
    end = work.day + np.array(days)[chance.choose(common, count)]
    done = end <= plan.last_day
    scrapped = np.where(
        done & chance.happens(SCRAPPED, count),
        1 + work.quantity * chance.below(SCRAP_SHARE, count) // 1000,
        0,
    )
    changed = timestamps(np.where(done, end, work.day))
    orders = stamped(
        plan,
        "production.workorder",
        {
            "workorderid": np.arange(1, count + 1),
            "productid": goods.ids[work.product],
            "orderqty": work.quantity,
            "scrappedqty": scrapped,
            "startdate": timestamps(work.day),
            "enddate": timestamps(end, ~done),
            "duedate": timestamps(work.day + DAYS_DUE),
            "scrapreasonid": nullable(1 + chance.below(SCRAP_REASONS, count), scrapped == 0),
            "modifieddate": changed,
        },
    )
    return [orders, _routing(plan, goods, work, end, done)]


def _routing(plan: Plan, goods: Catalogue, work: WorkOrders, end: np.ndarray, done: np.ndarray) -> Frame:
    """The stations that a work order passes; what is not finished has no actual dates, hours or costs yet."""
    chance = plan.chance("production.workorderrouting")
    passes = np.zeros((len(MAKING), len(STATIONS) + 1), bool)
    for number, (_, operations, *_) in enumerate(MAKING):
        passes[number, list(operations)] = True
    order, operation = np.nonzero(passes[work.making])
    table = np.array([(0, 0, 0), *STATIONS.values()])
    location, hours, cost = table[operation].T
    open_ = ~done[order]
    begun = np.minimum(work.day[order] + chance.below(4, len(order)), end[order])
    return stamped(
        plan,
        "production.workorderrouting",
        {
            "workorderid": 1 + order,
            "productid": goods.ids[work.product[order]],
            "operationsequence": operation,
            "locationid": location,
            "scheduledstartdate": timestamps(work.day[order]),
            "scheduledenddate": timestamps(work.day[order] + DAYS_DUE),
            "actualstartdate": timestamps(begun, open_),
            "actualenddate": timestamps(end[order], open_),
            "actualresourcehrs": amounts(hours, missing=open_),
            "plannedcost": amounts(cost),
            "actualcost": amounts(cost, missing=open_),
            "modifieddate": timestamps(np.where(open_, work.day[order], end[order])),
        },
        len(order),
    )


# -- movements


def _movements(
    plan: Plan, book: Book, goods: Catalogue, basket: Lines, bought: Bought, work: WorkOrders
) -> list[Frame]:
    """Every order line sold (S), work order (W) and purchase line (P), by day; the older ones are in the archive."""
    sizes = (len(basket.order), len(work.day), len(bought.order))
    starts = np.flatnonzero(np.r_[True, basket.order[1:] != basket.order[:-1]])
    lines = np.diff(np.r_[starts, len(basket.order)])
    day = np.concatenate([book.day[basket.order], work.day, bought.day[bought.order]])
    order = np.argsort(day, kind="stable")
    kind = np.repeat(np.arange(3), sizes)[order]
    columns = {
        "product": (basket.product, work.product, bought.product),
        "reference": (FIRST_ORDER + basket.order, 1 + np.arange(sizes[1]), 1 + bought.order),
        "line": (
            1 + np.arange(sizes[0]) - np.repeat(starts, lines),
            np.zeros(sizes[1], np.int64),
            bought.place,
        ),
        "quantity": (basket.quantity, work.quantity, bought.quantity),
        "cost": (basket.price, np.zeros(sizes[1], np.int64), bought.price),
    }
    all_ = {name: np.concatenate(parts)[order] for name, parts in columns.items()}
    day = day[order]
    # the archive ends with a day, the one that comes nearest to the original's proportion
    about = len(day) * ARCHIVED_MOVEMENTS // (ARCHIVED_MOVEMENTS + RECENT_MOVEMENTS)
    cut = int(np.searchsorted(day, day[about]))
    first_recent = max(FIRST_RECENT, cut + 1)
    return [
        _movement_table(
            plan, goods, "production.transactionhistoryarchive", slice(0, cut), 1, day, kind, all_
        ),
        _movement_table(
            plan, goods, "production.transactionhistory", slice(cut, len(day)), first_recent, day, kind, all_
        ),
    ]


def _movement_table(
    plan: Plan,
    goods: Catalogue,
    table: str,
    part: slice,
    first: int,
    day: np.ndarray,
    kind: np.ndarray,
    columns: dict[str, np.ndarray],
) -> Frame:
    moments = timestamps(day[part])
    return stamped(
        plan,
        table,
        {
            "transactionid": first + np.arange(part.stop - part.start),
            "productid": goods.ids[columns["product"][part]],
            "referenceorderid": columns["reference"][part],
            "referenceorderlineid": columns["line"][part],
            "transactiondate": moments,
            "transactiontype": from_list(["S", "W", "P"], kind[part]),
            "quantity": columns["quantity"][part],
            "actualcost": amounts(columns["cost"][part]),
            "modifieddate": moments,
        },
        part.stop - part.start,
    )


# -- stock and bills of materials


def _inventory(plan: Plan, goods: Catalogue) -> Frame:
    chance = plan.chance("production.productinventory")
    product = chance.sample(len(goods.ids), STOCKED)
    places = settle(np.full(STOCKED, 2), INVENTORY, np.ones(STOCKED, np.int64), np.full(STOCKED, 3), chance)
    row = np.repeat(np.arange(STOCKED), places)
    turn = np.arange(INVENTORY) - np.repeat(np.cumsum(places) - places, places)
    location = np.array(STORES)[goods.category[product[row]], turn]
    order = np.lexsort((location, product[row]))
    product, location = product[row][order], location[order]
    finished = np.isin(location, FINISHED_STORES)
    shelf = np.where(finished, len(SHELVES) - 1, chance.below(len(SHELVES) - 1, INVENTORY))
    return stamped(
        plan,
        "production.productinventory",
        {
            "productid": goods.ids[product],
            "locationid": location,
            "shelf": from_list(SHELVES, shelf),
            "bin": np.where(finished, 0, chance.between(1, 60, INVENTORY)),
            "quantity": np.where(chance.happens(15, INVENTORY), 0, chance.between(20, 700, INVENTORY)),
            "modifieddate": timestamps(plan.last_day - 1 - chance.below(300, INVENTORY)),
        },
    )


def _bill(plan: Plan, goods: Catalogue) -> Frame:
    """What goes into what: bikes of components, components of parts, parts of parts."""
    chance = plan.chance("production.billofmaterials")
    bikes = np.flatnonzero(goods.category == BIKES)
    parts = goods.subcategory == 0
    components = (goods.category == 2).astype(np.int64)
    small = (parts & ~goods.made).astype(np.int64)
    assemblies = np.flatnonzero(goods.made & ((goods.category == 2) | _priced_parts(goods)))
    plain = np.flatnonzero(goods.made & parts & ~_priced_parts(goods))
    tiers = {1: (bikes, components), 2: (assemblies, small), 3: (plain[:17], small), 4: (plain[-4:], small)}

    # level 0: every bike is sold whole, some in two versions
    rebuilt = bikes[: BILL[0][0] - len(bikes)]
    assembly, component = [np.zeros(BILL[0][0], np.int64) - 1], [np.concatenate([bikes, rebuilt])]
    for tier, (tops, weights) in tiers.items():
        rows, _ = BILL[tier]
        sizes = settle(
            np.full(len(tops), rows // len(tops)),
            rows,
            np.ones(len(tops), np.int64),
            np.full(len(tops), rows),
            chance,
        )
        assembly.append(np.repeat(tops, sizes))
        component.append(chance.race(weights, sizes))
    level = np.repeat(list(BILL), [rows for rows, _ in BILL.values()])
    ended = np.concatenate(
        [np.r_[np.zeros(rows - gone, bool), np.ones(gone, bool)] for rows, gone in BILL.values()]
    )
    top, part = np.concatenate(assembly), np.concatenate(component)
    start = np.where(ended, plan.founding + 600, plan.founding + 700) + chance.below(90, len(top))
    pieces = np.where(level == 0, 1, 1 + chance.choose([80, 12, 4, 2, 2], len(top)))
    return stamped(
        plan,
        "production.billofmaterials",
        {
            "billofmaterialsid": np.arange(1, len(top) + 1),
            "productassemblyid": nullable(goods.ids[top], level == 0),
            "componentid": goods.ids[part],
            "startdate": timestamps(start),
            "enddate": timestamps(start + 99, ~ended),
            "unitmeasurecode": from_list(["EA", "IN", "OZ"], chance.choose([94, 4, 2], len(top))),
            "bomlevel": level,
            "perassemblyqty": lambda begin, end: decimal_text(100 * pieces[begin:end], 2),
            "modifieddate": timestamps(np.where(ended, start + 99, start) - 14),
        },
    )


def _priced_parts(goods: Catalogue) -> np.ndarray:
    return goods.made & (goods.subcategory == 0) & (goods.list_price > 0)
