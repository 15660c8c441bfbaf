"""Forgetting a customer's person: which rows are about them, and what happens to each.

Rows that nothing else refers to are deleted: e-mail addresses, phone numbers, the password, contacts, the links to addresses and
cards, and addresses and cards that no order used. Rows that the shop's books refer to stay, without
the personal data: the person's row, the addresses and cards of their orders. Customer number, orders, amounts and the city that goods went to are kept.

The same statements run in the source and, on the tables that are there, in the raw layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import psycopg

from foundation.errors import EltError

ERASED = "Erased"
NAME = f"{ERASED} Person"  # as staging puts it together


@dataclass(frozen=True)
class Subject:
    """Whom it is about, in numbers only."""

    customer: int
    person: int
    is_individual: bool  # not the contact of a store
    customers: list[int]  # all numbers under which the person buys
    addresses: list[int]  # nobody else's, and their orders went there
    unused_addresses: list[int]
    cards: list[int]
    unused_cards: list[int]
    reviews: list[int]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def joined(self, later: Subject) -> Subject:
        """What was found before, when the links were still there, with what has come since."""
        addresses, cards = {*self.addresses, *later.addresses}, {*self.cards, *later.cards}
        return replace(
            later,
            addresses=sorted(addresses),
            unused_addresses=sorted({*self.unused_addresses, *later.unused_addresses} - addresses),
            cards=sorted(cards),
            unused_cards=sorted({*self.unused_cards, *later.unused_cards} - cards),
            reviews=sorted({*self.reviews, *later.reviews}),
        )


@dataclass(frozen=True)
class Action:
    """Rows of a table to delete, or (`values`: SQL by column) to make anonymous."""

    table: str
    where: str
    values: dict[str, str] | None = None

    def condition(self) -> str:
        """The rows that are not so yet."""
        if self.values is None:
            return self.where
        differs = " or ".join(f"{name} is distinct from {value}" for name, value in self.values.items())
        return f"{self.where} and ({differs})"

    def statement(self) -> str:
        # numbers and texts of this module only
        if self.values is None:
            return f"delete from {self.table} where {self.condition()}"  # noqa: S608
        to = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        return f"update {self.table} set {to} where {self.condition()}"  # noqa: S608


def actions(subject: Subject) -> Iterator[Action]:
    """What is done, children before their parents."""
    person = f"businessentityid = {subject.person}"
    if subject.reviews:
        review = {"reviewername": f"'{ERASED}'", "emailaddress": f"'{ERASED}'", "comments": "null"}
        yield Action("production.productreview", among("productreviewid", subject.reviews), review)
    for table in ("person.emailaddress", "person.personphone", "person.password"):
        yield Action(table, person)
    yield Action("person.businessentityaddress", person)
    yield Action("person.businessentitycontact", f"personid = {subject.person}")
    yield Action("sales.personcreditcard", person)
    if subject.is_individual:
        order = {"creditcardapprovalcode": "null", "comment": "null"}
        yield Action("sales.salesorderheader", among("customerid", subject.customers), order)
    if subject.addresses:
        street = {"addressline1": f"'{ERASED}'", "addressline2": "null", "spatiallocation": "null"}
        yield Action("person.address", among("addressid", subject.addresses), street)
    if subject.unused_addresses:
        yield Action("person.address", among("addressid", subject.unused_addresses))
    if subject.cards:
        number = {"cardnumber": f"'{ERASED} ' || creditcardid"}
        yield Action("sales.creditcard", among("creditcardid", subject.cards), number)
    if subject.unused_cards:
        yield Action("sales.creditcard", among("creditcardid", subject.unused_cards))
    first, _, last = NAME.partition(" ")
    empty = ("title", "middlename", "suffix", "additionalcontactinfo", "demographics")
    named = {"firstname": f"'{first}'", "lastname": f"'{last}'", "emailpromotion": "0"}
    yield Action("person.person", person, named | dict.fromkeys(empty, "null"))


def among(column: str, numbers: list[int]) -> str:
    return f"{column} in ({', '.join(map(str, numbers))})"


WHO = """
select c.personid, c.storeid is null,
    exists (select from humanresources.employee as e where e.businessentityid = c.personid),
    array(select o.customerid from sales.customer as o where o.personid = c.personid order by 1)
from sales.customer as c where c.customerid = %s
for update of c
"""
# addresses and cards of a person, theirs alone, each with whether an order of theirs refers to it
ADDRESSES = """
with used as (
    select billtoaddressid as addressid from sales.salesorderheader where customerid = any(%(customers)s)
    union
    select shiptoaddressid from sales.salesorderheader where customerid = any(%(customers)s)
),
theirs as (
    select addressid from person.businessentityaddress where businessentityid = %(person)s
    union
    select addressid from used
)
select addressid, addressid in (select used.addressid from used)
from theirs as t
where not exists (
        select from person.businessentityaddress as b
        where b.addressid = t.addressid and b.businessentityid <> %(person)s
    )
    and not exists (
        select from sales.salesorderheader as h
        where t.addressid in (h.billtoaddressid, h.shiptoaddressid) and h.customerid <> all(%(customers)s)
    )
order by 1
"""
CARDS = """
select creditcardid, exists (select from sales.salesorderheader as h where h.creditcardid = t.creditcardid)
from sales.personcreditcard as t
where businessentityid = %(person)s
    and not exists (
        select from sales.personcreditcard as o
        where o.creditcardid = t.creditcardid and o.businessentityid <> %(person)s
    )
    and not exists (
        select from sales.salesorderheader as h
        where h.creditcardid = t.creditcardid and h.customerid <> all(%(customers)s)
    )
order by 1
"""
REVIEWS = """
select productreviewid from production.productreview
where lower(emailaddress) in (
    select lower(emailaddress) from person.emailaddress where businessentityid = %(person)s
)
order by 1
"""


def find(conn: psycopg.Connection, customer: int) -> Subject:
    """Who the customer is and what is theirs alone. Raises EltError: no such customer, no person, an employee."""
    row = conn.execute(WHO, [customer]).fetchone()
    if row is None:
        raise EltError(f"the source has no customer {customer}", "look it up in sales.customer")
    person, is_individual, is_employee, customers = row
    if person is None:
        raise EltError(
            f"customer {customer} is a store without a contact: nothing of it is about a person",
            "erase a customer who is, or who has, a person",
        )
    if is_employee:
        raise EltError(
            f"customer {customer} is an employee, too: their records are kept by another law",
            "erase by hand what the customer alone left",
        )
    ids = {"person": person, "customers": customers}
    addresses = conn.execute(ADDRESSES, ids).fetchall()
    cards = conn.execute(CARDS, ids).fetchall()
    return Subject(
        customer=customer,
        person=person,
        is_individual=is_individual,
        customers=customers,
        addresses=[number for number, used in addresses if used],
        unused_addresses=[number for number, used in addresses if not used],
        cards=[number for number, used in cards if used],
        unused_cards=[number for number, used in cards if not used],
        reviews=[number for (number,) in conn.execute(REVIEWS, ids)],
    )


def erase(conn: psycopg.Connection, subject: Subject) -> dict[str, int]:
    """Forget the person in the source; returns rows by table. To be called in a transaction."""
    done: dict[str, int] = {}
    for action in actions(subject):
        count = conn.execute(action.statement()).rowcount
        done[action.table] = done.get(action.table, 0) + count
    return {table: count for table, count in done.items() if count}
