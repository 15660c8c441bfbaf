"""Buying: vendors, what they supply at which price, purchase orders with what was received and rejected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adventureworks.generator import names
from adventureworks.generator.chance import settle, spread
from adventureworks.generator.columns import (
    Frame,
    Plan,
    amounts,
    decimal_text,
    from_list,
    joined,
    nullable,
    stamped,
    timestamps,
)
from adventureworks.generator.hr import members
from adventureworks.generator.orders import calendar
from adventureworks.generator.people import VENDORS, People
from adventureworks.generator.products import Catalogue

ORDERS, ORDER_LINES = 4_012, 8_845
SUPPLIERS, SUPPLIES = 86, 460  # vendors that supply something; pairs of product and vendor
MOST_VENDORS, ON_ORDER = 3, 155
PURCHASING = 5  # department
DAYS_TO_ARRIVE, DAYS_TO_STOCK, DAYS_TO_PAY = 9, 7, 14
# per mille of the orders of the worst vendor that come later, and by up to how many days
LATEST, DELAY = 450, 21
POOREST = 500  # per mille of the lines of the worst vendor of which some pieces are rejected
LEAD = 45  # buying starts so many days before the first sale
PENDING, APPROVED, REJECTED, COMPLETE = 1, 2, 3, 4
LOTS = ([3, 550, 60, 1250], [47, 42, 10, 1])  # pieces per line, and how common
SIZES = [1650, 1227, 626, 219, 158, 72, 10, 10]  # how many orders have 1, 2, … lines
TAX, FREIGHT = 80, 25  # per mille of the subtotal


@dataclass(frozen=True)
class Supplies:
    """Who supplies what, sorted by vendor: index of the vendor, position of the product, price in 1/10,000."""

    vendor: np.ndarray
    product: np.ndarray
    price: np.ndarray
    lot: np.ndarray


@dataclass(frozen=True)
class Bought:
    """Purchase orders, oldest first, and their lines, order by order. Prices in 1/10,000."""

    supplies: Supplies
    day: np.ndarray  # per order
    vendor: np.ndarray
    order: np.ndarray  # per line: index of the order
    place: np.ndarray  # per line: 1, 2 … within its order
    product: np.ndarray
    quantity: np.ndarray
    price: np.ndarray


def buy(plan: Plan, goods: Catalogue) -> Bought:
    """All purchase orders."""
    chance = plan.chance("purchasing.purchaseorderheader.book")
    supplies = _supplies(plan, goods)
    elapsed = np.arange(-LEAD, plan.SPAN + 1)
    _, _, weekday = calendar(plan.opening + elapsed)
    level = np.where(elapsed < plan.SEASONS[2], 12, 90 + np.maximum(elapsed - plan.SEASONS[2], 0) // 4)
    weights = level * np.where(weekday < 5, 1, 0) * chance.between(20, 180, len(elapsed))
    day = plan.opening - LEAD + spread(weights, plan.rows(ORDERS))

    vendor = chance.below(SUPPLIERS, len(day))
    offered = np.bincount(supplies.vendor, minlength=SUPPLIERS)
    sizes = settle(
        1 + chance.choose(SIZES, len(day)),
        plan.rows(ORDER_LINES),
        np.ones(len(day), np.int64),
        offered[vendor],
        chance,
    )
    order = np.repeat(np.arange(len(day)), sizes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # a run of the vendor's supplies, from a random one on
    first = np.cumsum(offered) - offered
    start = chance.below(offered[vendor], len(day))
    supply = first[vendor][order] + (start[order] + place) % offered[vendor][order]
    price = supplies.price[supply] * chance.between(95, 105, len(order)) // 100
    return Bought(
        supplies, day, vendor, order, place + 1, supplies.product[supply], supplies.lot[supply], price
    )


def _supplies(plan: Plan, goods: Catalogue) -> Supplies:
    """Each product that is not made here is supplied by one to three vendors."""
    chance = plan.chance("purchasing.productvendor")
    bought = np.flatnonzero(~goods.made)
    vendors = settle(
        1 + chance.choose([110, 120, 35], len(bought)),
        SUPPLIES,
        np.ones(len(bought), np.int64),
        np.full(len(bought), MOST_VENDORS),
        chance,
    )
    product = np.repeat(np.arange(len(bought)), vendors)
    turn = np.arange(len(product)) - np.repeat(np.cumsum(vendors) - vendors, vendors)
    first = chance.shuffled(len(bought)) % SUPPLIERS  # so that every supplier has something
    vendor = (first[product] + 29 * turn) % SUPPLIERS
    listed = goods.cost[2][bought]
    base = np.where(listed > 0, listed, 10_000 * chance.between(1, 60, len(bought)))
    price = base[product] * chance.between(90, 110, len(product)) // 100
    lots, common = LOTS
    lot = np.array(lots)[chance.choose(common, len(bought))][product]
    order = np.lexsort((bought[product], vendor))
    return Supplies(vendor[order], bought[product][order], price[order], lot[order])


def purchasing(plan: Plan, who: People, goods: Catalogue, bought: Bought) -> list[Frame]:
    """The tables of schema purchasing that are not plain facts."""
    return [
        _vendors(plan, who),
        _product_vendors(plan, who, goods, bought),
        _headers(plan, who, bought),
        _details(plan, goods, bought),
    ]


def _vendors(plan: Plan, who: People) -> Frame:
    chance = plan.chance("purchasing.vendor")
    first, kind = np.arange(VENDORS) % len(names.VENDOR_NAMES), np.arange(VENDORS) // len(names.VENDOR_NAMES)
    label = [
        f"{names.VENDOR_NAMES[a]} {names.VENDOR_KINDS[b]}"
        for a, b in zip(first.tolist(), kind.tolist(), strict=True)
    ]
    active = ~chance.happens(40, VENDORS)
    without_site = ~chance.happens(60, VENDORS)
    return stamped(
        plan,
        "purchasing.vendor",
        {
            "businessentityid": who.vendor,
            "accountnumber": [
                f"{name.upper().replace(' ', '')[:8]}{1 + number:04d}" for number, name in enumerate(label)
            ],
            "name": label,
            "creditrating": 1 + chance.choose([84, 9, 7, 2, 2], VENDORS),
            "preferredvendorstatus": active & ~chance.happens(70, VENDORS),
            "activeflag": active,
            "purchasingwebserviceurl": joined(
                "https://vendor", np.arange(1, VENDORS + 1), ".example.com/orders", missing=without_site
            ),
            "modifieddate": timestamps(plan.opening - 1 - chance.below(300, VENDORS)),
        },
    )


def _product_vendors(plan: Plan, who: People, goods: Catalogue, bought: Bought) -> Frame:
    chance = plan.chance("purchasing.productvendor.terms")
    supplies, count = bought.supplies, len(bought.supplies.vendor)
    order = np.lexsort((supplies.vendor, supplies.product))
    ordered = np.ones(count, bool)
    ordered[chance.sample(count, ON_ORDER)] = False
    units = ["EA", "CTN", "CS", "PAK", "DZ", "GAL"]
    paid = supplies.price * 105 // 100
    received = plan.last_day - 10 - chance.below(400, count)
    return stamped(
        plan,
        "purchasing.productvendor",
        {
            "productid": goods.ids[supplies.product][order],
            "businessentityid": who.vendor[supplies.vendor][order],
            "averageleadtime": chance.between(10, 120, count),
            "standardprice": amounts(supplies.price[order]),
            "lastreceiptcost": amounts(paid[order]),
            "lastreceiptdate": timestamps(received),
            "minorderqty": np.where(supplies.lot < 60, 1, supplies.lot // 5)[order],
            "maxorderqty": (supplies.lot * 2)[order],
            "onorderqty": nullable(supplies.lot[order], ordered),
            "unitmeasurecode": from_list(units, chance.choose([60, 16, 12, 6, 4, 2], count)),
            "modifieddate": timestamps(received),
        },
    )


def _arrival(plan: Plan, bought: Bought) -> np.ndarray:
    """Per order: the day on which the goods come; some vendors are often late."""
    chance = plan.chance("purchasing.purchaseorderheader.arrival")
    lateness = chance.below(LATEST, VENDORS)  # per mille of a vendor's orders
    late = chance.below(1000, len(bought.day)) < lateness[bought.vendor]
    return bought.day + DAYS_TO_ARRIVE + np.where(late, chance.between(1, DELAY, len(bought.day)), 0)


def _arrived(plan: Plan, bought: Bought) -> np.ndarray:
    """Per order: whether the goods are there by `as_of`."""
    return _arrival(plan, bought) <= plan.last_day


def _statuses(plan: Plan, bought: Bought) -> np.ndarray:
    """Most orders are complete; some wait or were sent back; the last days' are pending, then approved."""
    chance = plan.chance("purchasing.purchaseorderheader.status")
    usual = 1 + chance.choose([56, 3, 21, 920], len(bought.day))
    recent = np.where(plan.last_day - bought.day < 3, PENDING, APPROVED)
    return np.where(_arrived(plan, bought), usual, recent)


def _headers(plan: Plan, who: People, bought: Bought) -> Frame:
    chance = plan.chance("purchasing.purchaseorderheader")
    count = len(bought.day)
    buyers = members(PURCHASING)
    subtotal = np.zeros(count, np.int64)
    np.add.at(subtotal, bought.order, bought.quantity * bought.price)
    arrived, shipping = _arrived(plan, bought), _arrival(plan, bought)
    return stamped(
        plan,
        "purchasing.purchaseorderheader",
        {
            "purchaseorderid": np.arange(1, count + 1),
            "revisionnumber": 4 + chance.choose([950, 32, 11, 4, 3], count),
            "status": _statuses(plan, bought),
            "employeeid": buyers[chance.below(len(buyers), count)],
            "vendorid": who.vendor[bought.vendor],
            "shipmethodid": 1 + chance.choose([589, 655, 164, 1086, 1523], count),
            "orderdate": timestamps(bought.day),
            "shipdate": timestamps(shipping, ~arrived),
            "subtotal": amounts(subtotal),
            "taxamt": amounts((subtotal * TAX + 500) // 1000),
            "freight": amounts((subtotal * FREIGHT + 500) // 1000),
            "modifieddate": timestamps(np.where(arrived, shipping, bought.day)),
        },
    )


def _details(plan: Plan, goods: Catalogue, bought: Bought) -> Frame:
    chance = plan.chance("purchasing.purchaseorderdetail")
    count, day = len(bought.order), bought.day[bought.order]
    there = _arrived(plan, bought)[bought.order]
    stocked = (_arrival(plan, bought) - DAYS_TO_ARRIVE + DAYS_TO_STOCK)[bought.order]
    short = chance.happens(42, count)
    received = np.where(there, bought.quantity - np.where(short, (bought.quantity + 9) // 10, 0), 0)
    sent_back = _statuses(plan, bought)[bought.order] == REJECTED
    poor = chance.below(1000, count) < chance.below(POOREST, VENDORS)[bought.vendor[bought.order]]
    rejected = np.where(
        sent_back, received, np.where(poor, (received * chance.between(1, 40, count) + 99) // 100, 0)
    )
    return stamped(
        plan,
        "purchasing.purchaseorderdetail",
        {
            "purchaseorderid": 1 + bought.order,
            "purchaseorderdetailid": np.arange(1, count + 1),
            "duedate": timestamps(day + DAYS_TO_PAY),
            "orderqty": bought.quantity,
            "productid": goods.ids[bought.product],
            "unitprice": amounts(bought.price),
            "receivedqty": lambda start, stop: decimal_text(100 * received[start:stop], 2),
            "rejectedqty": lambda start, stop: decimal_text(100 * rejected[start:stop], 2),
            "modifieddate": timestamps(np.where(there, stocked, day)),
        },
    )
