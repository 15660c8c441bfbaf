"""Orders: headers, lines, sales reasons, and the carts of those who have not decided yet."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from adventureworks.generator.chance import allot
from adventureworks.generator.columns import (
    UPPER_HEX,
    Frame,
    Plan,
    Stretch,
    amounts,
    digits,
    fixed_text,
    from_list,
    hexadecimal,
    joined,
    moment,
    nullable,
    stamped,
    timestamps,
    without,
)
from adventureworks.generator.currencies import rate_of_orders
from adventureworks.generator.customers import carded_buyers, first_numbers
from adventureworks.generator.lines import Lines
from adventureworks.generator.orders import Book
from adventureworks.generator.people import People
from adventureworks.generator.products import Catalogue
from adventureworks.generator.salespeople import Sales

FIRST_ORDER = 43_659  # as in the original
DAYS_TO_SHIP, DAYS_TO_PAY = 7, 12
# per mille of orders that leave later, by up to so many days: those after the day when they are due are late
SLOW, DELAY = 80, 14
RETURNED = 12  # per mille of shipped orders
TAX, FREIGHT = 80, 25  # per mille of the subtotal
REASONS = {  # how many of 23,012 online orders name which reasons; the others name none
    (1,): 14_655, (2,): 1_815, (5, 9): 1_551, (1, 2): 1_536, (6,): 1_245, (1, 10): 1_129, (4,): 621, (5,): 194,
    (1, 2, 10): 153, (4, 10): 101, (2, 10): 11, (5, 10): 1,
}  # fmt: skip


def sales(plan: Plan, book: Book, who: People, goods: Catalogue, basket: Lines, sold: Sales) -> list[Frame]:
    """Orders, their lines and reasons, and what lies in shopping carts."""
    return [
        _headers(plan, book, who, sold),
        _details(plan, book, goods, basket),
        _reasons(plan, book),
        _carts(plan, goods),
    ]


def _headers(plan: Plan, book: Book, who: People, sold: Sales) -> Frame:
    chance = plan.chance("sales.salesorderheader")
    count, web = book.orders, book.online
    shipped, shipping = _shipping(plan, book)
    individual, buyer = np.where(web, book.customer, 0), np.where(web, 0, book.customer)
    first_individual, first_buyer = first_numbers(who)
    customer = np.where(web, first_individual + individual, first_buyer + buyer)
    bill = np.where(web, who.individual_address[individual], who.store_address[buyer])
    seconds = np.r_[
        who.store_second_address, np.zeros(len(who.store) - len(who.store_second_address), np.int64)
    ]
    second = seconds[buyer]
    ship = np.where(~web & (second > 0) & chance.happens(500, count), second, bill)

    cardless = np.where(web, chance.happens(41, count), buyer >= carded_buyers(plan, book))
    card = np.where(web, 1 + individual, 1 + len(who.individual) + buyer)
    rate = rate_of_orders(plan, book, sold.territory)
    tax = (sold.subtotal * TAX + 500) // 1000
    freight = (sold.subtotal * FREIGHT + 500) // 1000
    # an order is in process for three days, then approved; it leaves the house on the seventh, or is backordered
    age = plan.last_day - book.day
    returned = plan.chance("sales.salesorderheader.returns").happens(RETURNED, count)
    status = np.select([shipped & returned, shipped, age < 3, age < DAYS_TO_SHIP], [6, 5, 1, 2], 3)
    return stamped(
        plan,
        "sales.salesorderheader",
        {
            "salesorderid": FIRST_ORDER + np.arange(count),
            "revisionnumber": np.where(~web & chance.happens(8, count), 9, 8),
            "orderdate": timestamps(book.day),
            "duedate": timestamps(book.day + DAYS_TO_PAY),
            "shipdate": timestamps(shipping, ~shipped),
            "status": status,
            "onlineorderflag": web,
            "purchaseordernumber": joined(
                "PO", chance.between(100_000_000, 2_000_000_000, count), missing=web
            ),
            "accountnumber": joined(
                from_list(["10-4020-", "10-4030-"], web.astype(np.int64)),
                digits(np.where(web, customer, 1 + buyer), 6),
            ),
            "customerid": customer,
            "salespersonid": nullable(sold.seller, web),
            "territoryid": sold.territory,
            "billtoaddressid": bill,
            "shiptoaddressid": ship,
            "shipmethodid": np.where(web, 1, 5),
            "creditcardid": nullable(card, cardless),
            "creditcardapprovalcode": joined(
                chance.between(100_000, 1_300_000, count),
                "Vi",
                digits(chance.below(100_000, count), 5),
                missing=cardless,
            ),
            "currencyrateid": nullable(rate, rate == 0),
            "subtotal": amounts(sold.subtotal),
            "taxamt": amounts(tax),
            "freight": amounts(freight),
            "totaldue": amounts(sold.subtotal + tax + freight),
            "comment": None,
            # the day of shipping, in time: the cursor of an order runs a week and more behind that of its lines
            "modifieddate": timestamps(np.where(shipped, shipping, book.day)),
        },
        count,
    )


def _shipping(plan: Plan, book: Book) -> tuple[np.ndarray, np.ndarray]:
    """Whether each order is shipped by `as_of`, and the day on which it is."""
    chance = plan.chance("sales.salesorderheader.shipping")
    slow = chance.happens(SLOW, book.orders)
    day = book.day + DAYS_TO_SHIP + np.where(slow, chance.between(1, DELAY, book.orders), 0)
    return day <= plan.last_day, day


def _details(plan: Plan, book: Book, goods: Catalogue, basket: Lines) -> Frame:
    order = basket.order
    shipped, _ = _shipping(plan, book)
    untracked = book.online[order] | ~shipped[order]
    codes = plan.chance("sales.salesorderdetail.tracking").bits(book.orders)
    return stamped(
        plan,
        "sales.salesorderdetail",
        {
            "salesorderid": FIRST_ORDER + order,
            "salesorderdetailid": np.arange(1, len(order) + 1),
            "carriertrackingnumber": _tracking(codes, order, untracked),
            "orderqty": basket.quantity,
            "productid": goods.ids[basket.product],
            "specialofferid": basket.offer,
            "unitprice": amounts(basket.price),
            "unitpricediscount": amounts(basket.discount, 2),
            "modifieddate": timestamps(book.day[order]),
        },
    )


def _tracking(codes: np.ndarray, order: np.ndarray, missing: np.ndarray) -> Stretch:
    """One number per order, as "4911-403C-98"."""
    octets = np.ascontiguousarray(codes.astype(">u8")).view(np.uint8).reshape(-1, 8)
    figures = hexadecimal(octets[:, :5], UPPER_HEX)
    dash = np.full((len(codes), 1), ord("-"), np.uint8)
    text = np.hstack([figures[:, :4], dash, figures[:, 4:8], dash, figures[:, 8:]])

    def stretch(start: int, stop: int) -> pa.Array:
        return without(fixed_text(text[order[start:stop]]), missing[start:stop])

    return stretch


def _reasons(plan: Plan, book: Book) -> Frame:
    """Why customers bought: several reasons per order, or none. Only online orders say."""
    chance = plan.chance("sales.salesorderheadersalesreason")
    web = np.flatnonzero(book.online)
    asked = min(plan.rows(sum(REASONS.values())), len(web))
    orders = web[chance.shuffled(len(web))[:asked]]
    number, reason = [], []
    for chosen, part in zip(
        REASONS, np.split(orders, np.cumsum(allot(list(REASONS.values()), asked))[:-1]), strict=True
    ):
        number.append(np.repeat(part, len(chosen)))
        reason.append(np.tile(np.array(chosen), len(part)))
    order, why = np.concatenate(number), np.concatenate(reason)
    arranged = np.lexsort((why, order))
    order, why = order[arranged], why[arranged]
    return stamped(
        plan,
        "sales.salesorderheadersalesreason",
        {
            "salesorderid": FIRST_ORDER + order,
            "salesreasonid": why,
            "modifieddate": timestamps(book.day[order]),
        },
    )


def _carts(plan: Plan, goods: Catalogue) -> Frame:
    chance = plan.chance("sales.shoppingcartitem")
    created = moment(plan.last_day - 1, 64_447_603)
    offered = goods.ids[goods.online_demand[2] > 0]
    return stamped(
        plan,
        "sales.shoppingcartitem",
        {
            "shoppingcartitemid": np.array([2, 4, 5]),
            "shoppingcartid": ["14951", "20621", "20621"],
            "quantity": chance.between(1, 7, 3),
            "productid": offered[chance.sample(len(offered), 3)],
            "datecreated": created,
            "modifieddate": created,
        },
    )
