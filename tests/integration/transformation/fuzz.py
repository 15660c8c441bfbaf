"""Random days of a shop, within what the source's types, keys and foreign keys allow, and often at their edges.

The original has checks (no negative price, say) that the source's schema here does not: what it allows may come.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.integration.transformation import small_shop
from tests.integration.transformation.raw_layer import Warehouse

Row = dict[str, Any]

AMOUNTS = [
    "0",
    "0.0001",
    "-0.0001",
    "0.00005",
    "0.125",
    "9.99",
    "2024.9945",
    "99999999999999.9999",
    "1e20",
    "NaN",
    "Infinity",
]
DISCOUNTS = ["0", "0", "0.02", "0.1250", "0.3333", "0.9999", "1", "1.5", "-0.1", "0.33333333", "99999.9999"]
SMALL = [-32768, -1, 0, 1, 1, 2, 3, 10, 32767]
LARGE = [-2147483648, -1, 0, 1, 5, 100, 2147483647]
MOMENTS = [
    "4713-01-01 (BC)", "0001-01-01", "1899-12-31 23:59:59.999999", "1900-01-01", "2099-12-31 23:59:59", "2100-01-01",
    "9999-12-31", "294246-12-31", "infinity", "-infinity",
]  # fmt: skip
LETTERS = "aZ09 '\"|~\\%_;-/*{}[]()<>&\t\n\u00a0é自🚲\u200b\u202eı"


@dataclass
class Shop:
    """Which rows there are, so that foreign keys lead somewhere; days are made one after the other from `seed`."""

    seed: int
    number: int = 1000  # the next key of any table
    today: datetime = datetime(2025, 6, 10)
    customers: list[int] = field(default_factory=lambda: [1, 2])
    products: list[int] = field(default_factory=lambda: [707, 708, 709])
    addresses: list[int] = field(default_factory=lambda: [1, 2])
    categories: list[int] = field(default_factory=lambda: [1])
    subcategories: list[int] = field(default_factory=lambda: [1])
    orders: list[int] = field(default_factory=list)
    lines: dict[int, list[int]] = field(default_factory=dict)
    work_orders: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def key(self) -> int:
        """A key that no row has."""
        self.number += 1
        return self.number

    def often(self, usual: Any, edges: list[Any], chance: float = 0.3) -> Any:
        """The usual value, or one of the edges."""
        return self.random.choice(edges) if self.random.random() < chance else usual

    def amount(self) -> str:
        return self.often(f"{self.random.randint(0, 10**7) / 100:.2f}", AMOUNTS)

    def moment(self) -> str:
        usual = self.today + timedelta(
            days=self.random.randint(-300, 300), seconds=self.random.randint(0, 86399)
        )
        return self.often(str(usual), MOMENTS, 0.2)

    def text(self, longest: int) -> str:
        """Anything that a person may type."""
        length = self.random.randint(0, longest)
        return "".join(self.random.choice(LETTERS) for _ in range(length))

    def day(self, warehouse: Warehouse) -> None:
        """One more day: the sync that brings it is written into raw."""
        self.today += timedelta(days=1)
        at = f"{self.today}+00"
        warehouse.sync(at, self._changes())
        self._deletions(warehouse, at)

    def _changes(self) -> dict[str, list[Row]]:
        changes: dict[str, list[Row]] = {}
        for part in (self._catalogue, self._people, self._sales, self._production, self._purchases):
            for name, rows in part().items():
                changes.setdefault(name, []).extend(rows)
        return changes

    def _catalogue(self) -> dict[str, list[Row]]:
        category, subcategory, product = self.key(), self.key(), self.key()
        self.categories.append(category)
        self.subcategories.append(subcategory)
        self.products.append(product)
        moved = self.random.choice(self.subcategories)
        return {
            "production.productcategory": [
                {"productcategoryid": category, "name": self.text(50)},
                {"productcategoryid": self.random.choice(self.categories), "name": self.text(50)},
            ],
            "production.productsubcategory": [
                {"productsubcategoryid": each, "productcategoryid": self.random.choice(self.categories), "name": self.text(50)}
                for each in {subcategory, moved}
            ],
            "production.product": [
                {
                    "productid": each,
                    "name": self.text(50),
                    "productnumber": self.text(25),
                    "productsubcategoryid": self.often(self.random.choice(self.subcategories), [None]),
                    "standardcost": self.amount(),
                    "listprice": self.amount(),
                    "sellstartdate": self.moment(),
                    "weight": self.often("1.5", ["-999999.99", "0", None]),
                }
                for each in {product, self.random.choice(self.products)}
            ],
            "production.productcosthistory": [
                small_shop.cost(product, start, self.often(None, MOMENTS), self.amount())
                for start in {self.moment(), self.moment()}
            ],
            "production.productlistpricehistory": [
                small_shop.price(product, self.moment(), self.often(None, MOMENTS), self.amount())
            ],
        }  # fmt: skip

    def _people(self) -> dict[str, list[Row]]:
        customer, address, state = self.key(), self.key(), self.random.choice([79, 80])
        self.customers.append(customer)
        self.addresses.append(address)
        return {
            "person.stateprovince": [
                {"stateprovinceid": 80, "stateprovincecode": "WA", "countryregioncode": "US", "name": self.text(50)}
            ],
            "person.address": [
                {"addressid": address, "city": self.text(30), "stateprovinceid": state, "postalcode": self.text(15)}
            ],
            "person.person": [
                {"businessentityid": customer, "persontype": "IN", "firstname": self.text(50), "lastname": self.text(50)}
            ],
            "sales.customer": [
                {"customerid": customer, "personid": self.often(customer, [None, 10]), "territoryid": self.often(1, [None])}
            ],
            "humanresources.employeepayhistory": [
                {
                    "businessentityid": 279,
                    "ratechangedate": self.moment(),
                    "rate": self.amount(),
                    "payfrequency": self.random.choice(SMALL),
                }
            ],
        }  # fmt: skip

    def _sales(self) -> dict[str, list[Row]]:
        headers: list[Row] = []
        lines: list[Row] = []
        orders = [self.key() for _ in range(self.random.randint(0, 4))]
        known = set(self.orders)
        self.orders += orders
        again = [self.random.choice(self.orders)] if self.orders else []
        for number in {*orders, *again}:
            headers.append(
                small_shop.order(number, self.random.choice(self.customers), self.moment(), "1.00")
                | {
                    "duedate": self.moment(),
                    "shipdate": self.often(None, [self.moment(), *MOMENTS]),
                    "status": self.often(5, SMALL),
                    "onlineorderflag": self.random.random() < 0.5,
                    "subtotal": self.amount(),
                    "taxamt": self.amount(),
                    "freight": self.amount(),
                    "totaldue": self.often(None, AMOUNTS),
                    "shiptoaddressid": self.random.choice(self.addresses),
                    "billtoaddressid": self.random.choice(self.addresses),
                    "purchaseordernumber": self.text(25),
                }
            )
            if number not in known:
                self.lines[number] = [self.key() for _ in range(self.random.randint(0, 4))]
            lines += [
                small_shop.line(
                    line,
                    number,
                    self.random.choice(self.products),
                    self.random.choice(SMALL),
                    self.amount(),
                    self.random.choice(DISCOUNTS),
                )
                for line in self.lines.get(number, [])
            ]
        return {
            "sales.salesorderheader": headers,
            "sales.salesorderdetail": lines,
            "sales.salespersonquotahistory": [
                {"businessentityid": 279, "quotadate": self.moment(), "salesquota": self.amount()}
            ],
            "sales.currencyrate": [
                {
                    "currencyrateid": self.key(),
                    "currencyratedate": self.moment(),
                    "fromcurrencycode": "USD",
                    "tocurrencycode": "EUR",
                    "averagerate": self.amount(),
                    "endofdayrate": self.amount(),
                }
            ],
        }

    def _production(self) -> dict[str, list[Row]]:
        number = self.key()
        self.work_orders.append(number)
        product = self.random.choice(self.products)
        return {
            "production.workorder": [
                small_shop.work_order(each, product, self.random.choice(LARGE), self.random.choice(SMALL))
                | {"startdate": self.moment(), "duedate": self.moment(), "enddate": self.often(None, MOMENTS)}
                for each in {number, self.random.choice(self.work_orders)}
            ],
            "production.workorderrouting": [
                small_shop.operation(number, 1, self.often("1", ["99999.9999", "-99999.9999", None]), self.amount())
            ],
            "production.transactionhistory": [
                small_shop.movement(self.key(), product, self.random.choice("SWPX"), self.moment(), self.random.choice(LARGE))
                | {"actualcost": self.amount()}
            ],
            "production.productinventory": [
                {"productid": product, "locationid": 6, "shelf": "A", "bin": 1, "quantity": self.random.choice(SMALL)}
            ],
        }  # fmt: skip

    def _purchases(self) -> dict[str, list[Row]]:
        number = self.key()
        return {
            "purchasing.purchaseorderheader": [
                {
                    "purchaseorderid": number,
                    "status": self.random.choice(SMALL),
                    "employeeid": 279,
                    "vendorid": 90,
                    "shipmethodid": 1,
                    "orderdate": self.moment(),
                    "shipdate": self.often(None, MOMENTS),
                    "subtotal": self.amount(),
                    "taxamt": self.amount(),
                    "freight": self.amount(),
                }
            ],
            "purchasing.purchaseorderdetail": [
                small_shop.purchase(
                    self.key(), number, self.random.choice(self.products), self.random.choice(SMALL), received, rejected
                )
                | {"unitprice": self.amount(), "duedate": self.moment()}
                for received, rejected in (("1", "0"), ("999999.99", "-999999.99"))[: self.random.randint(0, 2)]
            ],
        }  # fmt: skip

    def _deletions(self, warehouse: Warehouse, at: str) -> None:
        """An order, a line, a customer whose orders go to another; now and then all rows of a table."""
        kind = self.random.randint(0, 4)
        if kind == 0 and self.orders:
            order = self.orders.pop(self.random.randrange(len(self.orders)))
            for table in ("sales.salesorderdetail", "sales.salesorderheader"):
                warehouse.delete(table, f"salesorderid = {order}", at)
        if kind == 1 and (order := self.random.choice([*self.lines, 0])) and self.lines[order]:
            line = self.lines[order].pop()
            warehouse.delete("sales.salesorderdetail", f"salesorderdetailid = {line}", at)
        if kind == 2 and len(self.customers) > 2:
            merged = self.customers.pop()
            moved = {"customerid": self.random.choice(self.customers)}
            orders = warehouse.rows(
                f"select salesorderid from adventureworks_sales.salesorderheader where customerid = {merged}"
            )
            warehouse.sync(
                at, {"sales.salesorderheader": [{"salesorderid": order} | moved for (order,) in orders]}
            )
            warehouse.delete("sales.customer", f"customerid = {merged}", at)
        if kind == 3:
            table = self.random.choice(
                [
                    "sales.salespersonquotahistory",
                    "production.productinventory",
                    "sales.salesorderheadersalesreason",
                ]
            )
            warehouse.delete(table, "true", at)
