"""Persons, their addresses, mail, phones and passwords: employees, stores and their contacts, vendors, individuals.

Business entities are numbered in this order: employees, stores, store contacts, general contacts, vendor contacts, vendors,
individuals. Addresses: employees, vendors, stores, stores' second addresses, individuals; each belongs to one entity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adventureworks.generator import names
from adventureworks.generator.columns import (
    XML_HOME,
    Frame,
    Plan,
    Stretch,
    amounts,
    digits,
    fixed_text,
    from_list,
    joined,
    letters,
    stamped,
    timestamps,
    unless,
)
from adventureworks.generator.orders import Book

EMPLOYEES, SALESPEOPLE = 290, 17  # the last employees sell
VENDORS, VENDOR_CONTACTS = 104, 156
STORE_CONTACTS, GENERAL_CONTACTS, SECOND_ADDRESSES = 753, 289, 35
KINDS = ("EM", "SP", "SC", "GC", "VC", "IN")

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SURVEY = f'<IndividualSurvey xmlns="{XML_HOME}IndividualSurvey"><TotalPurchaseYTD>'


@dataclass(frozen=True)
class People:
    """Who is who: identifiers (business entities and addresses) that the other rooms point to."""

    store: np.ndarray
    contact: np.ndarray  # contact i works for store i % stores; the first ones buy
    general: np.ndarray
    vendor_contact: np.ndarray
    vendor: np.ndarray
    individual: np.ndarray
    vendor_address: np.ndarray
    store_address: np.ndarray
    store_second_address: np.ndarray  # of the first stores
    individual_address: np.ndarray
    address_territory: np.ndarray  # by address, from address 1 on

    @property
    def entities(self) -> int:
        return int(self.individual[-1])

    @property
    def persons(self) -> np.ndarray:
        """The entities that are persons, ascending."""
        return np.concatenate(
            [
                np.arange(1, EMPLOYEES + 1),
                self.contact,
                self.general,
                self.vendor_contact,
                self.individual,
            ]
        )


def number_people(plan: Plan, book: Book) -> People:
    """Number everybody and every address."""
    stores = len(book.store_territory)
    sizes = (
        EMPLOYEES,
        stores,
        max(plan.rows(STORE_CONTACTS), stores),
        plan.rows(GENERAL_CONTACTS),
        VENDOR_CONTACTS,
        VENDORS,
        len(book.individual_territory),
    )
    _, store, contact, general, vendor_contact, vendor, individual = _runs(sizes)
    seconds = min(plan.rows(SECOND_ADDRESSES), stores)
    _, vendor_address, store_address, second, individual_address = _runs(
        (EMPLOYEES, VENDORS, stores, seconds, len(individual))
    )
    vendor_territory = 1 + plan.chance("purchasing.vendor.territory").choose([30, 12, 14, 32, 12], VENDORS)
    territory = [
        np.ones(EMPLOYEES, np.int64),
        vendor_territory,
        book.store_territory,
        book.store_territory[:seconds],
        book.individual_territory,
    ]
    return People(
        store,
        contact,
        general,
        vendor_contact,
        vendor,
        individual,
        vendor_address,
        store_address,
        second,
        individual_address,
        np.concatenate(territory),
    )


def _runs(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Consecutive numbers from 1 on, cut into runs of these sizes."""
    return np.split(np.arange(1, sum(sizes) + 1), np.cumsum(sizes)[:-1])


def people(plan: Plan, book: Book, who: People) -> list[Frame]:
    """The tables of schema person that are not plain facts."""
    since = known_since(plan, book, who)
    return [
        _entities(plan, who),
        *_persons(plan, who, since),
        _contacts(plan, who, since),
    ]


def known_since(plan: Plan, book: Book, who: People) -> np.ndarray:
    """The day on which each entity (from 1 on) was entered: individuals with their first order, others before the opening."""
    early = plan.opening - 1 - plan.chance("person.since").below(900, who.entities - len(who.individual))
    return np.concatenate([early, book.first_day])


def _entities(plan: Plan, who: People) -> Frame:
    # all entered again within one night, as an import does: two per instant
    numbers = np.arange(1, who.entities + 1)
    return stamped(
        plan,
        "person.businessentity",
        {
            "businessentityid": numbers,
            "modifieddate": timestamps(
                np.full(len(numbers), plan.last_day - 1), milliseconds=(numbers // 2) % 80_000_000
            ),
        },
    )


# -- persons


def _persons(plan: Plan, who: People, since: np.ndarray) -> list[Frame]:
    chance = plan.chance("person.person")
    persons, count = who.persons, len(who.persons)
    groups = (
        EMPLOYEES - SALESPEOPLE,
        SALESPEOPLE,
        len(who.contact),
        len(who.general),
        VENDOR_CONTACTS,
        len(who.individual),
    )
    kind = np.repeat(np.arange(len(KINDS)), groups)
    first = chance.below(len(names.FIRST_NAMES), count)
    last = chance.below(len(names.LAST_NAMES), count)
    initial = chance.below(26, count)
    entered = timestamps(since[persons - 1])
    addressed = chance.below(1000, count) < np.array([22, 118, 989, 10, 974, 5])[kind]
    serial = _serial(first)
    mail = joined(
        from_list([name.lower() for name in names.FIRST_NAMES], first), serial, "@adventure-works.com"
    )
    person = stamped(
        plan,
        "person.person",
        {
            "businessentityid": persons,
            "persontype": from_list(KINDS, kind),
            "namestyle": False,
            "title": from_list(["Mr.", "Ms."], chance.below(2, count), ~addressed),
            "firstname": from_list(names.FIRST_NAMES, first),
            "middlename": from_list(
                [chr(65 + letter) for letter in range(26)], initial, ~chance.happens(577, count)
            ),
            "lastname": from_list(names.LAST_NAMES, last),
            "suffix": from_list(["Jr.", "Sr.", "III"], chance.below(3, count), ~chance.happens(3, count)),
            "emailpromotion": chance.choose([56, 25, 19], count),
            "additionalcontactinfo": _contact_info(kind, plan),
            "demographics": _demographics(plan, kind, since[persons - 1]),
            "modifieddate": entered,
        },
    )
    emails = stamped(
        plan,
        "person.emailaddress",
        {
            "businessentityid": persons,
            "emailaddressid": np.arange(1, count + 1),
            "emailaddress": mail,
            "modifieddate": entered,
        },
    )
    return [person, emails, _phones(plan, persons, kind, entered), _passwords(plan, persons, entered)]


def _serial(values: np.ndarray) -> np.ndarray:
    """For each value how often it came before: ken0, ken1, ken2 …"""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(values)])
    serial = np.empty(len(values), np.int64)
    serial[order] = np.arange(len(values)) - np.repeat(starts, sizes)
    return serial


def _contact_info(kind: np.ndarray, plan: Plan) -> Stretch:
    """Free contact notes of a few store contacts; nobody else has any."""
    with_notes = np.zeros(len(kind), bool)
    with_notes[np.flatnonzero(kind == KINDS.index("SC"))[: plan.rows(10)]] = True
    note = (
        f'<AdditionalContactInfo xmlns="{XML_HOME}ContactInfo" xmlns:act="{XML_HOME}ContactTypes">'
        "<act:telephoneNumber><act:number>425-555-0100</act:number></act:telephoneNumber>"
        "Prefers to be called in the morning.</AdditionalContactInfo>"
    )
    return from_list([note], np.zeros(len(kind), np.int64), ~with_notes)


def _demographics(plan: Plan, kind: np.ndarray, since: np.ndarray) -> Stretch:
    """Survey answers as XML: all fields for individuals, the one that everybody has for the others."""
    chance = plan.chance("person.person.demographics")
    count = len(kind)
    individual = kind == KINDS.index("IN")
    children = chance.below(6, count)
    age = chance.between(7_000, 30_000, count)
    days = np.arange(int(since.max()) - int((since - age).min()) + 1, dtype=np.int64) + int(
        (since - age).min()
    )
    calendar = pa.array(days.astype(np.int32), pa.int32()).view(pa.date32()).cast(pa.string())
    born, bought = since - age - days[0], since - days[0]

    def answers(tag: str, choices: list[str], weights: list[int]) -> Stretch:
        pool = [f"<{tag}>{choice}</{tag}>" for choice in choices]
        return from_list(pool, chance.choose(weights, count))

    survey = joined(
        "</TotalPurchaseYTD><DateFirstPurchase>",
        from_list(calendar, bought),
        "Z</DateFirstPurchase><BirthDate>",
        from_list(calendar, born),
        "Z</BirthDate>",
        answers("MaritalStatus", ["M", "S"], [54, 46]),
        answers(
            "YearlyIncome",
            ["0-25000", "25001-50000", "50001-75000", "75001-100000", "greater than 100000"],
            [16, 28, 31, 16, 9],
        ),
        answers("Gender", ["M", "F"], [51, 49]),
        "<TotalChildren>",
        children,
        "</TotalChildren><NumberChildrenAtHome>",
        chance.below(children + 1, count),
        "</NumberChildrenAtHome>",
        answers(
            "Education",
            ["Partial High School", "High School", "Partial College", "Bachelors ", "Graduate Degree"],
            [8, 18, 27, 29, 18],
        ),
        answers(
            "Occupation",
            ["Manual", "Clerical", "Skilled Manual", "Management", "Professional"],
            [13, 16, 25, 16, 30],
        ),
        answers("HomeOwnerFlag", ["1", "0"], [68, 32]),
        answers("NumberCarsOwned", ["0", "1", "2", "3", "4"], [23, 26, 35, 9, 7]),
        answers(
            "CommuteDistance",
            ["0-1 Miles", "1-2 Miles", "2-5 Miles", "5-10 Miles", "10+ Miles"],
            [34, 17, 18, 17, 14],
        ),
        "</IndividualSurvey>",
    )
    spent = amounts(np.where(individual, chance.between(-300_000, 900_000, count), 0), 2)

    def stretch(start: int, stop: int) -> pa.Array:
        tail = pa.compute.if_else(
            pa.array(individual[start:stop]), survey(start, stop), "</TotalPurchaseYTD></IndividualSurvey>"
        )
        return pa.compute.binary_join_element_wise(SURVEY, spent(start, stop), tail, "")

    return stretch


def _phones(plan: Plan, persons: np.ndarray, kind: np.ndarray, entered: pa.Array) -> Frame:
    chance = plan.chance("person.personphone")
    count = len(persons)
    area, line = digits(chance.between(201, 999, count), 3), digits(chance.between(100, 199, count), 4)
    abroad = chance.happens(430, count)
    at_work = np.isin(kind, [KINDS.index("VC"), KINDS.index("GC")])
    return stamped(
        plan,
        "person.personphone",
        {
            "businessentityid": persons,
            "phonenumber": joined(
                from_list(["", "1 (11) 500 555-"], abroad.astype(np.int64)),
                unless(joined(area, "-555-"), abroad),
                line,
            ),
            "phonenumbertypeid": np.where(at_work, 3, 1 + chance.below(2, count)),
            "modifieddate": entered,
        },
    )


def _passwords(plan: Plan, persons: np.ndarray, entered: pa.Array) -> Frame:
    """Random letters in the form of a hash and its salt: there is no password behind them."""
    chance = plan.chance("person.password")
    bits = [chance.bits(len(persons)) for _ in range(6)]

    def hashes(start: int, stop: int) -> pa.Array:
        parts = [
            letters(part[start:stop], width, BASE64)
            for part, width in zip(bits, (10,) * 4 + (3,), strict=False)
        ]
        return fixed_text(np.hstack([*parts, np.full((stop - start, 1), ord("="), np.uint8)]))

    def salts(start: int, stop: int) -> pa.Array:
        return fixed_text(
            np.hstack(
                [letters(bits[5][start:stop], 7, BASE64), np.full((stop - start, 1), ord("="), np.uint8)]
            )
        )

    return stamped(
        plan,
        "person.password",
        {
            "businessentityid": persons,
            "passwordhash": hashes,
            "passwordsalt": salts,
            "modifieddate": entered,
        },
    )


def _contacts(plan: Plan, who: People, since: np.ndarray) -> Frame:
    """Who speaks for a store (owner, purchasing agent or manager) or a vendor (sales)."""
    chance = plan.chance("person.businessentitycontact")
    stores, vendors = len(who.contact), len(who.vendor_contact)
    store = who.store[np.arange(stores) % len(who.store)]
    vendor = who.vendor[np.arange(vendors) % len(who.vendor)]
    role = [
        np.array([11, 14, 15])[chance.choose([266, 242, 245], stores)],
        np.array([2, 17, 18, 19])[chance.choose([18, 54, 44, 40], vendors)],
    ]
    persons = np.concatenate([who.contact, who.vendor_contact])
    return stamped(
        plan,
        "person.businessentitycontact",
        {
            "businessentityid": np.concatenate([store, vendor]),
            "personid": persons,
            "contacttypeid": np.concatenate(role),
            "modifieddate": timestamps(since[persons - 1]),
        },
    )
