"""Customers: persons, stores, persons who buy for stores; and their credit cards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from adventureworks.generator import names
from adventureworks.generator.columns import (
    XML_HOME,
    Frame,
    Plan,
    digits,
    from_list,
    joined,
    moment,
    nullable,
    stamped,
    timestamps,
)
from adventureworks.generator.orders import Book
from adventureworks.generator.people import People
from adventureworks.generator.salespeople import posted_today

FIRST_INDIVIDUAL, FIRST_BUYER = 11_000, 29_484  # numbers as in the original; stores count from 1
CARDED_BUYERS = 634


def first_numbers(who: People) -> tuple[int, int]:
    """The first customer of the individuals, and of those who buy for stores: the original's, or after so many others."""
    individual = max(FIRST_INDIVIDUAL, len(who.store) + 1)
    return individual, max(FIRST_BUYER, individual + len(who.individual))


def customers(plan: Plan, book: Book, who: People) -> list[Frame]:
    """Customers, stores, and cards with their owners."""
    return [_stores(plan, book, who), _customers(plan, book, who), *_cards(plan, book, who)]


def _customers(plan: Plan, book: Book, who: People) -> Frame:
    """Stores (which never order themselves), persons, and persons who buy for a store: all imported at one instant."""
    stores, individuals, buyers = len(who.store), len(who.individual), book.buyers
    individual, buyer = first_numbers(who)
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
                    individual + np.arange(individuals),
                    buyer + np.arange(buyers),
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
    today = posted_today()
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


def carded_buyers(plan: Plan, book: Book) -> int:
    """The first buyers have a card."""
    return min(plan.rows(CARDED_BUYERS), book.buyers)


def _cards(plan: Plan, book: Book, who: People) -> list[Frame]:
    """A card for each individual and for most buyers. The numbers only look like card numbers."""
    chance = plan.chance("sales.creditcard")
    buyers = carded_buyers(plan, book)
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
