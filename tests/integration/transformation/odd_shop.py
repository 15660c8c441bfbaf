"""What the source's types, checks and foreign keys let a shop do, though nobody expects it: laid over the small shop."""

from __future__ import annotations

from tests.integration.transformation.small_shop import (
    cost,
    line,
    movement,
    operation,
    order,
    price,
    purchase,
    work_order,
)

ODD_SYNC = "2025-06-03 00:00:00+00"
TYPED = 'O\'Brien "the" – 自転車 🚲 100%_ \\ {{ x }} -- /* ; \n\t'


def odd_order(number: int, subtotal: str = "1", **more: object) -> dict[str, object]:
    """An order of 1 May with the tax, freight and total of an order of 1 USD."""
    return order(number, 1, "2025-05-01", "1.00") | {"subtotal": subtotal} | more


ODD = {
    "person.stateprovince": [
        {"stateprovinceid": 80, "stateprovincecode": "WA", "countryregioncode": "US", "name": "Another WA"}
    ],
    # both are "X|79|79|p" when joined by bars
    "person.address": [
        {"addressid": 901, "city": "X|79", "stateprovinceid": 79, "postalcode": "p"},
        {"addressid": 902, "city": "X", "stateprovinceid": 79, "postalcode": "79|p"},
        {"addressid": 903, "city": "Seattle", "stateprovinceid": 80, "postalcode": "98104"},
        {"addressid": 904, "city": "", "stateprovinceid": 80, "postalcode": ""},
    ],
    "humanresources.employeedepartmenthistory": [
        {"businessentityid": 279, "departmentid": 5, "shiftid": 1, "startdate": day, "enddate": end}
        for day, end in (("2024-06-01", "2024-05-01"), ("9999-12-31", None), ("infinity", None))
    ],
    "humanresources.employeepayhistory": [
        {"businessentityid": 279, "ratechangedate": "2025-05-02", "rate": "NaN", "payfrequency": 9}
    ],
    "production.product": [
        {
            "productid": number,
            "name": name,
            "productnumber": name[:25],
            "productsubcategoryid": 1,
            "standardcost": standard_cost,
            "listprice": "0",
            "sellstartdate": start,
        }
        for number, name, standard_cost, start in (
            (720, "sold below its cost", "2171.2942", "2024-01-01"),
            (721, TYPED, "99999999999999.9999", "2024-01-01"),
            (722, "", "NaN", "infinity"),
            (723, "costs overlap", "1", "9999-12-31"),
        )
    ],
    "production.productcosthistory": [
        cost(723, "1901-05-01", "1901-04-01", "0"),  # in the calendar, and before any fact
        cost(723, "2024-01-01", "9999-12-31", "1"),
        cost(723, "2024-06-01", "2024-05-01", "2"),
        cost(723, "2025-01-01", "infinity", "3"),
        cost(723, "9999-12-31", None, "4"),
    ],
    "production.productlistpricehistory": [price(723, "infinity", None, "1")],
    "production.workorder": [
        work_order(101, 721, 5, 9, enddate="2025-02-01"),
        work_order(102, 721, -2147483648, 32767, duedate="infinity", startdate="-infinity"),
        work_order(103, 721, 2147483647, -32768, duedate="9999-12-31", startdate="0001-01-01"),
    ],
    "production.workorderrouting": [operation(101, 1, "99999.9999", "99999999999999.9999")],
    "production.transactionhistory": [
        movement(101, 721, "X", "infinity", -2147483648) | {"actualcost": "-0.00005"},
        movement(102, 721, "S", "9999-12-31", 2147483647) | {"actualcost": "1e20"},
    ],
    "production.productinventory": [
        {"productid": 721, "locationid": 6, "shelf": "N/A", "bin": 0, "quantity": -32768},
        {"productid": 722, "locationid": 10, "shelf": "N/A", "bin": 0, "quantity": 32767},
    ],
    "purchasing.purchaseorderheader": [
        {
            "purchaseorderid": number,
            "status": 9,
            "employeeid": 279,
            "vendorid": 90,
            "shipmethodid": 1,
            "orderdate": day,
            "shipdate": "1999-01-01",
            "subtotal": "0",
            "taxamt": tax,
            "freight": "-0.5",
        }
        for number, day, tax in ((101, "2025-05-01", "99999999999999.9999"), (102, "infinity", "NaN"))
    ],
    "purchasing.purchaseorderdetail": [
        purchase(101, 101, 721, 32767, "0", "999999.99") | {"unitprice": "99999999999999.9999"},
        purchase(102, 101, 721, -1, "999999.99", "0") | {"unitprice": "0.0001", "duedate": "9999-12-31"},
        purchase(103, 102, 721, 0, "-1", "0") | {"unitprice": "NaN", "duedate": "infinity"},
    ],
    "sales.currencyrate": [
        {
            "currencyrateid": 101,
            "currencyratedate": "9999-12-31",
            "fromcurrencycode": "USD",
            "tocurrencycode": "EUR",
            "averagerate": "0.000045",
            "endofdayrate": "Infinity",
        }
    ],
    "sales.salespersonquotahistory": [
        {"businessentityid": 279, "quotadate": day, "salesquota": quota}
        for day, quota in (("2025-08-01", "0"), ("9999-12-31", "-1"))
    ],
    "sales.salesorderheader": [
        odd_order(101, "1771.8702"),
        odd_order(102, "0.01"),
        odd_order(103, duedate="9999-12-31"),
        odd_order(104, "-60"),
        odd_order(105),
        odd_order(106),
        odd_order(107),
        odd_order(108, "0"),
        order(109, 1, "0044-03-15", "1.00") | {"duedate": "infinity", "shipdate": "1900-01-01"},
        odd_order(110, "0", taxamt="-0.00005", totaldue=None),
        odd_order(111, taxamt="NaN", freight="99999999999999.9999", totaldue="Infinity"),
        odd_order(112),  # no lines
        odd_order(113, status=99, customerid=2, purchaseordernumber=TYPED[:25], shiptoaddressid=901),
        odd_order(114, billtoaddressid=902, shiptoaddressid=903),
        odd_order(115, billtoaddressid=904, shiptoaddressid=904),
        odd_order(116, freight="99999999999999.9999"),  # many lines of the largest amounts
    ],
    "sales.salesorderdetail": [
        line(101, 101, 708, 1, "2024.9945", "0.125"),
        line(102, 102, 720, 1, "0.01"),
        line(103, 103, 708, 1, "1"),
        line(104, 104, 707, -3, "20"),
        line(105, 105, 721, 32767, "99999999999999.9999", "0.9999"),
        line(106, 105, 721, -32768, "99999999999999.9999", "0.0001"),
        line(107, 105, 721, 1, "0.0001", "0.0001"),
        line(108, 106, 708, 1, "0.123456789", "0.33333333"),
        line(109, 107, 708, 1, "NaN"),
        line(110, 107, 708, 1, "123456789012345678901234567890"),
        line(111, 108, 708, 0, "10", "1"),
        line(112, 108, 708, 1, "10", "1"),
        line(113, 109, 708, 1, "1", "1.5"),
        line(114, 110, 708, 1, "100"),
        line(115, 110, 708, -1, "100"),
        line(116, 110, 708, 1, "-0.0001"),
        line(117, 111, 722, 3, "0.3333"),
        line(118, 111, 723, 3, "0.3333"),
        line(119, 113, 708, 1, "1", "-0.5"),
        line(120, 114, 708, 1, "1"),
        line(121, 115, 708, 1, "1"),
        *(
            line(number, 116, 721 + number % 2, 32767, "99999999999999.9999", "99999.9999")
            for number in range(130, 144)
        ),
    ],
}

SHOP = "https://www.adventure-works.example"
# what a visitor's browser sends: page, page before it, device, seconds, value of the order
VISITS = [
    (f"{SHOP}/order-confirmation/SO43659x", "https://www.climbing.com/bikes", "desktop", 1, "1.00"),
    (f"{SHOP}/order-confirmation/SO", "https://www.bing.com/search?q=bikes", "desktop", 1, None),
    (f"{SHOP}/order-confirmation/SO1", "HTTPS://user@WWW.Google.CO.UK:443?q=x", "a|Chrome", 1, "NaN"),
    (f"{SHOP}/order-confirmation/SO99999999999999999999", "https://notgoogle.com", None, -5, "1e30"),
    (f"{SHOP}/order-confirmation/SO1e3", "https://google.com.evil.example/", "a", 2147483647, "0.00001"),
    (f"{SHOP}/products/{TYPED}?a=://b", "android-app://com.google.android", TYPED, 2147483647, None),
    ("", "", "", None, None),
    ("not an address", "https://de.search.yahoo.com./", "x", 0, None),
    (f"{SHOP}#cart", "https://bing.com.", "x", 0, None),
]
