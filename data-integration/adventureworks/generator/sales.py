"""The sales process: customers and stores, salespeople and their territories, orders, lines, reasons, cards, currencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adventureworks.generator import names
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
from adventureworks.generator.lines import Lines
from adventureworks.generator.orders import Book
from adventureworks.generator.people import XML_HOME, People
from adventureworks.generator.products import Catalogue
from adventureworks.generator.reference import facts

FIRST_ORDER, FIRST_INDIVIDUAL, FIRST_BUYER = 43_659, 11_000, 29_484  # numbers as in the original
DAYS_TO_SHIP, DAYS_TO_PAY = 7, 12
CARDED_BUYERS = 634
TAX, FREIGHT = 80, 25  # per mille of the subtotal
DOLLAR_TERRITORIES = 5
REASONS = {  # how many of 23,012 online orders name which reasons; the others name none
    (1,): 14_655, (2,): 1_815, (5, 9): 1_551, (1, 2): 1_536, (6,): 1_245, (1, 10): 1_129, (4,): 621, (5,): 194,
    (1, 2, 10): 153, (4, 10): 101, (2, 10): 11, (5, 10): 1,
}  # fmt: skip

# salesperson, territory, first day, last day (inclusive; None: to this day); days after the opening
POSTINGS = (
    (275, 2, 0, 548), (275, 3, 549, None), (276, 4, 0, None), (277, 3, 0, 548), (277, 2, 549, None), (278, 6, 0, None),
    (279, 5, 0, None), (280, 1, 0, 487), (281, 4, 0, None), (282, 6, 0, 364), (282, 10, 365, None), (283, 1, 0, None),
    (284, 1, 488, None), (286, 9, 730, None), (288, 8, 730, None), (289, 6, 365, None), (290, 7, 365, None),
)  # fmt: skip
FIRST_SELLER, SELLERS = 274, 17
MANAGERS = {"North America": 274, "Europe": 287, "Pacific": 285}
MANAGER_SINCE = {274: 0, 285: 653, 287: 320}  # hired so many days after the opening; 274 stands in before
BY_MANAGER, BY_FORMER = (
    27,
    110,
)  # per mille of reseller orders that the manager, or a former salesperson, takes
TERRITORY = (
    None,
    2,
    4,
    3,
    6,
    5,
    1,
    4,
    6,
    1,
    1,
    None,
    9,
    None,
    8,
    10,
    7,
)  # of each salesperson, today's on paper
QUOTA = (0, 300, 250, 250, 250, 300, 250, 250, 250, 250, 300, 0, 250, 0, 250, 250, 250)  # thousands
COMMISSION = (0, 12, 15, 15, 10, 10, 10, 10, 15, 12, 19, 0, 18, 0, 18, 20, 16)  # per mille
QUARTERS = (0, 92, 184, 275, 365, 457, 549, 640, 730, 822, 914, 1005)
FIRST_QUARTER = {284: 5, 285: 8, 286: 8, 287: 4, 288: 8, 289: 4, 290: 4}  # the others: the first

# currencies quoted in dollars: per dollar in 1/10,000, and how far they wander
RATES = {
    "ARS": (24_000, 9_000), "AUD": (17_800, 2_800), "BRL": (28_800, 9_000), "CAD": (15_200, 900),
    "CNY": (82_600, 250), "DEM": (20_300, 1_500), "EUR": (10_800, 1_200), "FRF": (68_300, 4_500),
    "GBP": (6_700, 600), "JPY": (1_180_000, 160_000), "MXN": (96_600, 6_500), "SAR": (37_480, 35),
    "USD": (10_000, 0), "VEB": (10_600_000, 4_200_000),
}  # fmt: skip
CEASED = ("DEM", "FRF")  # not quoted any more after half a year
CEASED_DAYS, QUOTED_DAYS = 184, 1097
CURRENCY = {6: "CAD", 7: "EUR", 8: "EUR", 9: "AUD", 10: "GBP"}  # by territory
CONVERTED = 700  # per mille of orders from abroad that carry a currency rate


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


def sales(plan: Plan, book: Book, who: People, goods: Catalogue, basket: Lines, sold: Sales) -> list[Frame]:
    """The tables of schema sales that are not plain facts."""
    return [
        _territories(plan, book, sold),
        *_salespeople(plan, book, sold),
        _stores(plan, book, who),
        _customers(plan, book, who),
        *_cards(plan, book, who),
        _rates(plan),
        _headers(plan, book, who, sold),
        _details(plan, book, goods, basket),
        _reasons(plan, book),
        _carts(plan, goods),
    ]


# -- orders


def _headers(plan: Plan, book: Book, who: People, sold: Sales) -> Frame:
    chance = plan.chance("sales.salesorderheader")
    count, web = book.orders, book.online
    shipped, shipping = _shipping(plan, book)
    individual, buyer = np.where(web, book.customer, 0), np.where(web, 0, book.customer)
    customer = np.where(web, FIRST_INDIVIDUAL + individual, FIRST_BUYER + buyer)
    bill = np.where(web, who.individual_address[individual], who.store_address[buyer])
    seconds = np.r_[
        who.store_second_address, np.zeros(len(who.store) - len(who.store_second_address), np.int64)
    ]
    second = seconds[buyer]
    ship = np.where(~web & (second > 0) & chance.happens(500, count), second, bill)

    cardless = np.where(web, chance.happens(41, count), buyer >= _carded_buyers(plan, book))
    card = np.where(web, 1 + individual, 1 + len(who.individual) + buyer)
    rate = _rate_of_orders(plan, book, sold.territory)
    tax = (sold.subtotal * TAX + 500) // 1000
    freight = (sold.subtotal * FREIGHT + 500) // 1000
    # an order is in process for three days, then approved; it leaves the house on the seventh
    status = np.where(shipped, 5, np.where(plan.last_day - book.day < 3, 1, 2))
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
            # the day of shipping, in time: the cursor of an order runs a week behind that of its lines
            "modifieddate": timestamps(np.where(shipped, shipping, book.day)),
        },
        count,
    )


def _shipping(plan: Plan, book: Book) -> tuple[np.ndarray, np.ndarray]:
    """Whether each order is shipped by `as_of`, and the day on which it is."""
    day = book.day + DAYS_TO_SHIP
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


# -- customers


def _customers(plan: Plan, book: Book, who: People) -> Frame:
    """Stores (which never order themselves), persons, and persons who buy for a store: all imported at one instant."""
    stores, individuals, buyers = len(who.store), len(who.individual), book.buyers
    nobody, nowhere = np.zeros(stores, np.int64), np.zeros(individuals, np.int64)
    person = np.concatenate([nobody, who.individual, who.contact[:buyers]])
    store = np.concatenate([who.store, nowhere, who.store[:buyers]])
    territory = [book.store_territory, book.individual_territory, book.store_territory[:buyers]]
    return stamped(
        plan,
        "sales.customer",
        {
            "customerid": np.concatenate(
                [
                    np.arange(1, stores + 1),
                    FIRST_INDIVIDUAL + np.arange(individuals),
                    FIRST_BUYER + np.arange(buyers),
                ]
            ),
            "personid": nullable(person, person == 0),
            "storeid": nullable(store, store == 0),
            "territoryid": np.concatenate(territory),
            "modifieddate": moment(plan.last_day - 1, 40_507_263),
        },
    )


def _stores(plan: Plan, book: Book, who: People) -> Frame:
    chance = plan.chance("sales.store")
    count = len(who.store)
    today = {territory: person for person, territory, _, last in POSTINGS if last is None}
    places, kinds = names.STORE_PLACES, names.STORE_KINDS
    label = chance.shuffled(max(count, len(places) * len(kinds)))[:count]
    label, again = label % (len(places) * len(kinds)), label // (len(places) * len(kinds))
    size = chance.choose([3, 4, 3], count)
    tags = {
        "AnnualSales": (["300000", "800000", "3000000"], size),
        "AnnualRevenue": (["30000", "80000", "300000"], size),
        "BankName": (
            ["Primary International", "International Security", "Guardian Bank", "United Security"],
            chance.below(4, count),
        ),
        "BusinessType": (["BM", "BS", "OS"], chance.choose([5, 3, 2], count)),
        "YearOpened": ([str(year) for year in range(1970, 2006)], chance.below(36, count)),
        "Specialty": (["Road", "Mountain", "Touring"], chance.below(3, count)),
        "SquareFeet": (
            [str(1000 * feet) for feet in (7, 9, 17, 21, 38, 76)],
            2 * size + chance.below(2, count),
        ),
        "Brands": (["AW", "2", "3", "4+"], chance.below(4, count)),
        "Internet": (["56kb", "DSL", "ISDN", "T1", "T2"], chance.below(5, count)),
        "NumberEmployees": ([str(people) for people in range(2, 102)], 30 * size + chance.below(40, count)),
    }
    fields = [
        from_list([f"<{tag}>{value}</{tag}>" for value in values], index)
        for tag, (values, index) in tags.items()
    ]
    return stamped(
        plan,
        "sales.store",
        {
            "businessentityid": who.store,
            "name": joined(
                from_list(places, label // len(kinds)),
                " ",
                from_list(kinds, label % len(kinds)),
                from_list([""] + [f" {number}" for number in range(2, 2 + int(again.max()))], again),
            ),
            "salespersonid": np.array([today[territory] for territory in range(1, 11)])[
                book.store_territory - 1
            ],
            "demographics": joined(f'<StoreSurvey xmlns="{XML_HOME}StoreSurvey">', *fields, "</StoreSurvey>"),
            "modifieddate": moment(plan.last_day - 1, 40_507_253),
        },
    )


def _carded_buyers(plan: Plan, book: Book) -> int:
    return min(plan.rows(CARDED_BUYERS), book.buyers)


def _cards(plan: Plan, book: Book, who: People) -> list[Frame]:
    """A card for each individual and for most buyers. The numbers only look like card numbers."""
    chance = plan.chance("sales.creditcard")
    buyers = _carded_buyers(plan, book)
    count = len(who.individual) + buyers
    kind = chance.below(4, count)
    year = plan.as_of.year
    buyer_day = np.full(buyers, plan.opening)
    since = timestamps(np.concatenate([book.first_day, buyer_day]))
    owners = np.concatenate([who.individual, who.contact[:buyers]])
    arranged = np.argsort(owners, kind="stable")
    return [
        stamped(
            plan,
            "sales.creditcard",
            {
                "creditcardid": np.arange(1, count + 1),
                "cardtype": from_list(["SuperiorCard", "Distinguish", "ColonialVoice", "Vista"], kind),
                "cardnumber": joined(
                    from_list(["3333", "5555", "7777", "1111"], kind),
                    digits(chance.below(100_000, count), 5),
                    digits(chance.below(100_000, count), 5),
                ),
                "expmonth": chance.between(1, 12, count),
                "expyear": year + chance.between(0, 4, count),
                "modifieddate": since,
            },
        ),
        stamped(
            plan,
            "sales.personcreditcard",
            {
                "businessentityid": owners[arranged],
                "creditcardid": np.arange(1, count + 1)[arranged],
                "modifieddate": since.take(pa.array(arranged)),
            },
        ),
    ]


# -- salespeople and territories


def _sellers(plan: Plan, book: Book, territory: np.ndarray) -> np.ndarray:
    """The salesperson of each reseller order: whoever is posted there, now and then a manager or the one before."""
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
        person = np.where((there == 0) | by_manager, stand_in, regular)
        person = np.where(by_former & (former > 0), former, person)
        seller[here] = person[here]
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


def _salespeople(plan: Plan, book: Book, sold: Sales) -> list[Frame]:
    chance = plan.chance("sales.salesperson")
    person = FIRST_SELLER + np.arange(SELLERS)
    index = np.where(sold.seller > 0, sold.seller - FIRST_SELLER, SELLERS)
    recent, before = _by_year(plan, book, index, sold.subtotal, SELLERS + 1)
    quota = np.array(QUOTA) * 1000
    started = plan.opening + np.array([first_day(number) for number in person.tolist()])
    salespeople = stamped(
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
    return [salespeople, _quotas(plan, book, sold), _postings(plan)]


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


# -- currencies


def _rates(plan: Plan) -> Frame:
    """A rate per currency and day: a whole-number random walk, folded back into the currency's range."""
    codes, days = list(RATES), np.arange(QUOTED_DAYS)
    average = np.stack([_walk(plan, code) for code in codes], axis=1)
    drift = plan.chance("sales.currencyrate.closing").between(-30, 30, average.size)
    closing = average + average * drift.reshape(average.shape) // 10_000
    quoted = np.ones(average.shape, bool)
    for code in CEASED:
        quoted[CEASED_DAYS:, codes.index(code)] = False
    day = np.broadcast_to(days[:, None], average.shape)[quoted]
    code = np.broadcast_to(np.arange(len(codes)), average.shape)[quoted]
    moments = timestamps(_first_quote(plan) + day)
    return stamped(
        plan,
        "sales.currencyrate",
        {
            "currencyrateid": np.arange(1, len(day) + 1),
            "currencyratedate": moments,
            "fromcurrencycode": "USD",
            "tocurrencycode": from_list(codes, code),
            "averagerate": amounts(average[quoted]),
            "endofdayrate": amounts(np.where(code == codes.index("USD"), 10_000, closing[quoted])),
            "modifieddate": moments,
        },
    )


def _walk(plan: Plan, code: str) -> np.ndarray:
    middle, reach = RATES[code]
    if reach == 0:
        return np.full(QUOTED_DAYS, middle)
    step = max(1, reach // 25)
    steps = plan.chance(f"sales.currencyrate.{code}").between(-step, step, QUOTED_DAYS)
    return middle - reach + np.abs((np.cumsum(steps) + reach) % (4 * reach) - 2 * reach)


def _first_quote(plan: Plan) -> int:
    return plan.last_day - QUOTED_DAYS + 1


def _rate_of_orders(plan: Plan, book: Book, territory: np.ndarray) -> np.ndarray:
    """The currency rate of each order, 0 for none: most orders from abroad carry one, though amounts are dollars."""
    codes = list(RATES)
    lasting = [code for code in codes if code not in CEASED]
    now, then = np.zeros(11, np.int64), np.zeros(11, np.int64)
    for number, code in CURRENCY.items():
        now[number], then[number] = lasting.index(code), codes.index(code)
    day = book.day - _first_quote(plan)
    at_first = 1 + day * len(codes) + then[territory]
    afterwards = 1 + day * len(lasting) + CEASED_DAYS * len(CEASED) + now[territory]
    rate = np.where(day < CEASED_DAYS, at_first, afterwards)
    converted = plan.chance("sales.currencyrate.orders").happens(CONVERTED, book.orders)
    return np.where((territory > DOLLAR_TERRITORIES) & converted & (day >= 0), rate, 0)
