"""What is in the orders: products, quantities, offers and prices of every order line.

Online customers buy single pieces at the list price: one bike in the first two seasons, then often without a bike
but with clothing and accessories. Resellers buy many different products at 60 % of the list price, and get volume
discounts and promotions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adventureworks.generator.chance import Chance, settle
from adventureworks.generator.columns import Plan
from adventureworks.generator.orders import Book
from adventureworks.generator.products import Catalogue
from adventureworks.generator.reference import facts

ONLINE_LINES, RESELLER_LINES = 60_398, 60_919
STRAY_ORDERS, STRAY_LINES = 23, 64  # of products whose sale, and whose last price, had ended
SILENT_OFFERS = 2_118  # online lines that name the first volume offer, without any discount
LONGEST_ONLINE, LONGEST_RESELLER = 8, 72
BIKES = 1
WITH_BIKE = 500  # per mille of online orders in the third season
ONLINE_SIZES = [4600, 8163, 5870, 3138, 696, 109, 12, 3]  # how many orders have 1, 2, … lines
RESELLER_SIZES = [588, 289, 251, 214, 144, 123, 119, 103, 92, 73] + [70 - n for n in range(11, 64)]
# how many lines have 1, 2, … pieces: of bikes and components, of clothing and accessories
FEW_PIECES = [11900, 11800, 8000, 5700, 2700, 1600, 700, 520, 210, 170, 60, 70, 30, 30, 12, 14, 8, 8, 4, 4]
MANY_PIECES = [
    2650, 2400, 2060, 1800, 1700, 1700, 1030, 1000, 630, 600, 340, 400, 200, 240, 110, 120, 90, 95, 50, 44, 30, 12,
    22, 18, 16, 14, 9, 6, 3, 2, 5, 7, 6, 3, 2, 2, 1, 1, 1, 2, 1, 1, 1, 1,
]  # fmt: skip
VOLUME_OFFERS = (2, 3, 4, 5, 6)
PROMOTIONS = (7, 8, 9, 11, 12, 13, 14, 16)
QUIET_PROMOTIONS = (13, 14)  # these show on some online lines too, without a discount


@dataclass(frozen=True)
class Lines:
    """All order lines, order by order. Amounts in whole numbers: prices in 1/10,000, discounts in 1/100."""

    order: np.ndarray  # index of the order in the book
    product: np.ndarray  # position in the catalogue
    quantity: np.ndarray
    offer: np.ndarray
    price: np.ndarray
    discount: np.ndarray

    @property
    def subtotals(self) -> np.ndarray:
        """Per order, in 1/10,000: the exact sum of its lines (in millionths), rounded half up."""
        millionths = self.price * (100 - self.discount) * self.quantity
        starts = np.flatnonzero(np.r_[True, self.order[1:] != self.order[:-1]])
        return (np.add.reduceat(millionths, starts) + 50) // 100


def lines(plan: Plan, book: Book, goods: Catalogue) -> Lines:
    """The lines of every order; each order has at least one, and no product twice."""
    season = np.searchsorted(np.array(plan.SEASONS[1:]), book.day - plan.opening, side="right")
    chance = plan.chance("sales.salesorderdetail")
    online = _online(plan, book, season, goods, chance)
    reseller = _reseller(plan, book, season, goods, chance)
    order, product = (np.concatenate(pair) for pair in zip(online, reseller, strict=True))
    arranged = np.argsort(order, kind="stable")
    order, product = order[arranged], product[arranged]
    web = book.online[order]
    product = _strays(plan, book, season, goods, order, product, chance)

    bulky = goods.category[product] <= 2
    quantity = 1 + np.where(
        bulky, chance.choose(FEW_PIECES, len(order)), chance.choose(MANY_PIECES, len(order))
    )
    quantity = np.where(web, 1, quantity)
    elapsed = book.day[order] - plan.opening
    quantity, offer, discount = _offers(plan, goods, product, quantity, elapsed, web, chance)
    listed = goods.price[season[order], product]
    price = np.where(web, listed, (listed * 6 + 5) // 10)
    return Lines(order, product, quantity, offer, price, discount)


def _online(
    plan: Plan, book: Book, season: np.ndarray, goods: Catalogue, chance: Chance
) -> tuple[np.ndarray, np.ndarray]:
    """Order and product of each online line."""
    early = np.flatnonzero(book.online & (season < 2))
    late = np.flatnonzero(book.online & (season == 2))
    bikes = goods.category == BIKES
    chosen = [
        goods_of(
            early, season, np.where(bikes, goods.online_demand, 0), np.ones(len(early), np.int64), chance
        )
    ]
    sizes = settle(
        1 + chance.choose(ONLINE_SIZES, len(late)),
        plan.rows(ONLINE_LINES) - len(early),
        np.ones(len(late), np.int64),
        np.full(len(late), LONGEST_ONLINE),
        chance,
    )
    bike = chance.happens(WITH_BIKE, len(late)).astype(np.int64)
    chosen.append(goods_of(late, season, np.where(bikes, goods.online_demand, 0), bike, chance))
    chosen.append(goods_of(late, season, np.where(bikes, 0, goods.online_demand), sizes - bike, chance))
    order, product = (np.concatenate(part) for part in zip(*chosen, strict=True))
    return order, product


def _reseller(
    plan: Plan, book: Book, season: np.ndarray, goods: Catalogue, chance: Chance
) -> tuple[np.ndarray, np.ndarray]:
    orders = np.flatnonzero(~book.online)
    offered = np.count_nonzero(goods.reseller_demand, axis=1)[season[orders]]
    sizes = settle(
        1 + chance.choose(RESELLER_SIZES, len(orders)),
        plan.rows(RESELLER_LINES),
        np.ones(len(orders), np.int64),
        np.minimum(offered, LONGEST_RESELLER),
        chance,
    )
    return goods_of(orders, season, goods.reseller_demand, sizes, chance)


def goods_of(
    orders: np.ndarray, season: np.ndarray, demand: np.ndarray, sizes: np.ndarray, chance: Chance
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `sizes` different products for each of `orders`, by their season's demand: order and product per line."""
    order, product = [], []
    for number in range(len(demand)):
        here = season[orders] == number
        if here.any():
            order.append(np.repeat(orders[here], sizes[here]))
            product.append(chance.race(demand[number], sizes[here]))
    return np.concatenate(order), np.concatenate(product)


def _strays(
    plan: Plan,
    book: Book,
    season: np.ndarray,
    goods: Catalogue,
    order: np.ndarray,
    product: np.ndarray,
    chance: Chance,
) -> np.ndarray:
    """Let some reseller orders of the third season contain products that were taken out after the second."""
    ended = np.flatnonzero((goods.last_season == 2) & (goods.reseller_demand[1] > 0))
    sizes = np.bincount(order, minlength=book.orders)
    count, total = plan.rows(STRAY_ORDERS), plan.rows(STRAY_LINES)
    each = -(-total // count)
    able = ~book.online & (season == 2) & (sizes >= each)
    # soon after the end first: the old stock is sold off
    candidates = np.flatnonzero(able)[: 3 * count]
    chosen = np.sort(candidates[chance.shuffled(len(candidates))[:count]])
    places = np.searchsorted(order, chosen)[:, None] + np.arange(each)
    places = places.T.reshape(-1)[:total]  # first one line in each order, then a second …
    swapped = chance.race(goods.reseller_demand[1][ended], np.full(len(chosen), each)).reshape(-1, each)
    product = product.copy()
    product[places] = ended[swapped.T.reshape(-1)[: len(places)]]
    return product


def _offers(
    plan: Plan,
    goods: Catalogue,
    product: np.ndarray,
    quantity: np.ndarray,
    elapsed: np.ndarray,
    web: np.ndarray,
    chance: Chance,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantity, special offer and discount of each line; orders without a volume offer are smaller."""
    offers, pairs = facts("sales.specialoffer"), facts("sales.specialofferproduct")
    rebate = np.r_[0, offers.numbers("discountpct", 2)]
    start, end, least = (np.r_[0, offers.numbers(name)] for name in ("startday", "endday", "minqty"))
    member = np.zeros((offers.rows + 1, len(goods.ids)), bool)
    member[pairs.numbers("specialofferid"), goods.position[pairs.numbers("productid")]] = True

    offer = np.ones(len(product), np.int64)
    for number in reversed(VOLUME_OFFERS):
        reached = ~web & (quantity >= least[number]) & (offer == 1)
        open_to = member[number, product] & (elapsed >= start[number])
        offer[reached & open_to] = number
        quantity = np.where(reached & ~open_to, least[number] - 1, quantity)
    for number in PROMOTIONS:
        running = member[number, product] & (elapsed >= start[number]) & (elapsed <= end[number])
        offer[running & ~web] = number
        if number in QUIET_PROMOTIONS:
            offer[running & web & chance.happens(100, len(product))] = number
    discount = np.where(web, 0, rebate[offer])
    eligible = np.flatnonzero(web & (offer == 1) & member[VOLUME_OFFERS[0], product])
    offer[eligible[chance.sample(len(eligible), min(plan.rows(SILENT_OFFERS), len(eligible)))]] = (
        VOLUME_OFFERS[0]
    )
    return quantity, offer, discount
