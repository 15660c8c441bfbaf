"""A shop small enough to know by heart, and what a second sync changes: one thing for each order, so that none hides
behind another."""

FIRST_SYNC = "2025-05-01 00:00:00+00"
SECOND_SYNC = "2025-06-02 00:00:00+00"


def order(number: int, customer: int, day: str, subtotal: str, **more: object) -> dict[str, object]:
    """A header: tax 8 per cent and freight 2.5 per cent of a subtotal with two decimals, rounded to four."""
    cents = round(float(subtotal) * 100)
    tax, freight = cents * 8, cents * 2.5
    return {
        "salesorderid": number,
        "customerid": customer,
        "orderdate": day,
        "duedate": "2025-12-01",
        "status": 1,
        "onlineorderflag": True,
        "territoryid": 1,
        "billtoaddressid": 2,
        "shiptoaddressid": 2,
        "creditcardid": 1,
        "subtotal": subtotal,
        "taxamt": f"{tax / 10000:.4f}",
        "freight": f"{freight / 10000:.4f}",
        "totaldue": f"{(cents * 100 + tax + freight) / 10000:.4f}",
    } | more


def line(
    number: int, of: int, product: int, quantity: int, price: str, discount: str = "0"
) -> dict[str, object]:
    return {
        "salesorderid": of,
        "salesorderdetailid": number,
        "productid": product,
        "orderqty": quantity,
        "unitprice": price,
        "unitpricediscount": discount,
        "specialofferid": 1,
    }


def cost(product: int, start: str, end: str | None, amount: str) -> dict[str, object]:
    return {"productid": product, "startdate": start, "enddate": end, "standardcost": amount}


def price(product: int, start: str, end: str | None, amount: str) -> dict[str, object]:
    return {"productid": product, "startdate": start, "enddate": end, "listprice": amount}


def work_order(
    number: int, product: int, quantity: int, scrapped: int = 0, **more: object
) -> dict[str, object]:
    return {
        "workorderid": number,
        "productid": product,
        "orderqty": quantity,
        "scrappedqty": scrapped,
        "startdate": "2025-03-01",
        "duedate": "2025-03-12",
        "enddate": None,
    } | more


def operation(of: int, place: int, hours: str | None, cost: str | None) -> dict[str, object]:
    return {
        "workorderid": of,
        "productid": 707,
        "operationsequence": place,
        "locationid": 10,
        "scheduledstartdate": "2025-03-01",
        "scheduledenddate": "2025-03-08",
        "actualstartdate": "2025-03-02" if cost else None,
        "actualenddate": "2025-03-09" if cost else None,
        "actualresourcehrs": hours,
        "plannedcost": "90",
        "actualcost": cost,
    }


def movement(number: int, product: int, kind: str, day: str, quantity: int) -> dict[str, object]:
    return {
        "transactionid": number,
        "productid": product,
        "referenceorderid": 1,
        "referenceorderlineid": 1,
        "transactiondate": day,
        "transactiontype": kind,
        "quantity": quantity,
        "actualcost": "12.5",
    }


def purchase(
    number: int, of: int, product: int, ordered: int, received: str, rejected: str
) -> dict[str, object]:
    return {
        "purchaseorderid": of,
        "purchaseorderdetailid": number,
        "duedate": "2025-03-20",
        "orderqty": ordered,
        "productid": product,
        "unitprice": "1.25",
        "receivedqty": received,
        "rejectedqty": rejected,
    }


AT_FIRST = {
    "person.countryregion": [{"countryregioncode": "US", "name": "United States"}],
    "person.stateprovince": [
        {"stateprovinceid": 79, "stateprovincecode": "WA ", "countryregioncode": "US", "name": "Washington"}
    ],
    "person.address": [
        {"addressid": 1, "city": "Bothell", "stateprovinceid": 79, "postalcode": "98011"},
        {"addressid": 2, "city": "Seattle", "stateprovinceid": 79, "postalcode": "98104"},
    ],
    "person.addresstype": [{"addresstypeid": 2, "name": "Home"}],
    "person.businessentityaddress": [
        {"businessentityid": 10, "addressid": 1, "addresstypeid": 2},
        {"businessentityid": 11, "addressid": 2, "addresstypeid": 2},
    ],
    "person.person": [
        {"businessentityid": 10, "persontype": "IN", "firstname": "Ana", "lastname": "Price"},
        {
            "businessentityid": 11,
            "persontype": "SC",
            "firstname": "Ben",
            "middlename": "J.",
            "lastname": "Poe",
        },
        {"businessentityid": 279, "persontype": "SP", "firstname": "Tsvi", "lastname": "Reiter"},
    ],
    "person.emailaddress": [{"businessentityid": 10, "emailaddressid": 1, "emailaddress": "ana@example.com"}],
    "person.personphone": [{"businessentityid": 10, "phonenumber": "555-0124", "phonenumbertypeid": 1}],
    "humanresources.employee": [
        {"businessentityid": 279, "jobtitle": "Sales Representative", "hiredate": "2024-03-01"}
    ],
    "humanresources.department": [
        {"departmentid": 3, "name": "Sales", "groupname": "Sales and Marketing"},
        {"departmentid": 5, "name": "Purchasing", "groupname": "Inventory Management"},
    ],
    "humanresources.shift": [{"shiftid": 1, "name": "Day"}],
    "humanresources.employeedepartmenthistory": [
        {"businessentityid": 279, "departmentid": 3, "shiftid": 1, "startdate": "2024-03-01", "enddate": None}
    ],
    "humanresources.employeepayhistory": [
        {"businessentityid": 279, "ratechangedate": "2024-03-01", "rate": "20", "payfrequency": 2}
    ],
    "production.productcategory": [{"productcategoryid": 1, "name": "Bikes"}],
    "production.productsubcategory": [
        {"productsubcategoryid": 1, "productcategoryid": 1, "name": "Road Bikes"}
    ],
    "production.product": [
        {
            "productid": 707,
            "name": "Road",
            "productsubcategoryid": 1,
            "standardcost": "12",
            "listprice": "20",
            "sellstartdate": "2024-01-01",
            "productline": "R ",
        },
        {
            "productid": 708,
            "name": "Bolt",
            "standardcost": "3",
            "listprice": "10",
            "sellstartdate": "2024-01-01",
        },
        {
            "productid": 709,
            "name": "Helmet",
            "standardcost": "5",
            "listprice": "8",
            "sellstartdate": "2024-01-01",
        },
    ],
    "production.productcosthistory": [
        cost(707, "2024-01-01", "2025-01-31", "11"),
        cost(707, "2025-02-01", None, "12"),
        cost(709, "2024-01-01", "2024-12-31", "5"),
    ],
    "production.productlistpricehistory": [
        price(707, "2024-01-01", None, "20"),
        price(709, "2024-01-01", "2024-12-31", "8"),
    ],
    "production.location": [
        {"locationid": 6, "name": "Miscellaneous Storage", "costrate": "0", "availability": "0"},
        {"locationid": 10, "name": "Frame Forming", "costrate": "22.5", "availability": "96"},
    ],
    "production.scrapreason": [{"scrapreasonid": 4, "name": "Drill size too large"}],
    "production.workorder": [
        work_order(1, 707, 10, enddate="2025-03-11"),
        work_order(2, 707, 8),
        work_order(3, 999, 5),  # its product has not arrived
        work_order(4, 708, 5),
        work_order(5, 708, 6),
    ],
    "production.workorderrouting": [operation(1, 1, "4", "90"), operation(2, 1, None, None)],
    "production.transactionhistory": [
        movement(11, 707, "S", "2025-03-01", 2),
        movement(12, 999, "P", "2025-03-02", 5),
        movement(13, 708, "W", "2025-03-03", 6),
        movement(14, 707, "S", "2025-06-05", 1),
    ],
    "production.transactionhistoryarchive": [movement(1, 707, "S", "2024-06-01", 1)],
    "production.productinventory": [
        {"productid": 707, "locationid": 6, "shelf": "A", "bin": 1, "quantity": 40},
        {"productid": 708, "locationid": 6, "shelf": "A", "bin": 2, "quantity": 7},
    ],
    "purchasing.shipmethod": [
        {"shipmethodid": 1, "name": "XRQ - TRUCK GROUND", "shipbase": "3.95", "shiprate": "0.99"}
    ],
    "purchasing.vendor": [
        {"businessentityid": 90, "accountnumber": "BOLTS0001", "name": "Bolts", "creditrating": 1}
    ],
    "purchasing.purchaseorderheader": [
        {
            "purchaseorderid": 1,
            "status": 2,
            "employeeid": 279,
            "vendorid": 90,
            "shipmethodid": 1,
            "orderdate": "2025-03-06",
            "shipdate": None,
            "subtotal": "18.75",
            "taxamt": "1.5",
            "freight": "0.4688",
        }
    ],
    "purchasing.purchaseorderdetail": [purchase(1, 1, 708, 10, "0", "0"), purchase(2, 1, 999, 5, "5", "1")],
    "sales.salespersonquotahistory": [
        {"businessentityid": 279, "quotadate": "2025-02-28", "salesquota": "100"}
    ],
    "sales.salesreason": [
        {"salesreasonid": 1, "name": "Price", "reasontype": "Other"},
        {"salesreasonid": 2, "name": "On Promotion", "reasontype": "Promotion"},
    ],
    "sales.salesorderheadersalesreason": [
        {"salesorderid": 1, "salesreasonid": 1},
        {"salesorderid": 4, "salesreasonid": 1},
        {"salesorderid": 4, "salesreasonid": 2},
        {"salesorderid": 6, "salesreasonid": 3},  # nobody knows it yet
    ],
    "sales.currency": [
        {"currencycode": "USD", "name": "US Dollar"},
        {"currencycode": "EUR", "name": "EURO"},
    ],
    "sales.currencyrate": [
        {
            "currencyrateid": 1,
            "currencyratedate": "2025-03-06",
            "fromcurrencycode": "USD",
            "tocurrencycode": "EUR",
            "averagerate": "0.9",
            "endofdayrate": "0.91",
        }
    ],
    "sales.salesterritory": [
        {"territoryid": 1, "name": "Northwest", "countryregioncode": "US", "group": "NA"}
    ],
    "sales.store": [{"businessentityid": 50, "name": "Bike World"}],
    "sales.customer": [
        {"customerid": 1, "personid": 10, "territoryid": 1},
        {"customerid": 2, "personid": 11, "storeid": 50, "territoryid": 1},
    ],
    "sales.salesperson": [{"businessentityid": 279, "territoryid": 1}],
    "sales.specialoffer": [{"specialofferid": 1, "description": "No Discount", "discountpct": "0"}],
    "sales.creditcard": [{"creditcardid": 1, "cardtype": "Vista"}],
    "sales.salesorderheader": [
        order(1, 1, "2025-01-31", "50.00", status=5, shipdate="2025-02-07"),
        order(2, 2, "2025-02-01", "30.00", onlineorderflag=False, salespersonid=279, creditcardid=None),
        order(3, 3, "2025-02-10", "19.00"),  # its customer has not arrived
        order(4, 1, "2025-03-01", "8.00"),
        order(5, 1, "2025-03-02", "20.00"),
        order(6, 1, "2025-03-03", "40.00"),
        order(8, 1, "2025-03-04", "19.00"),
        order(9, 1, "2025-03-05", "20.00"),
        order(10, 1, "2025-03-06", "10.00", shiptoaddressid=1, shipmethodid=1, currencyrateid=1),
        order(11, 1, "2025-06-05", "20.00"),
    ],
    "sales.salesorderdetail": [
        line(1, 1, 707, 2, "20"),
        line(2, 1, 708, 1, "10"),
        line(3, 2, 707, 2, "15"),
        line(4, 3, 708, 1, "19"),
        line(5, 4, 709, 1, "8"),  # after the last day of its product's cost
        line(6, 5, 708, 2, "10"),
        line(7, 6, 707, 1, "20"),
        line(8, 6, 707, 1, "20"),
        line(10, 8, 999, 1, "20", "0.05"),  # its product has not arrived
        line(11, 9, 707, 1, "20"),
        line(12, 10, 708, 1, "10"),
        line(13, 11, 707, 1, "20"),
    ],
}

# order 1 is corrected, 2 shipped, 7 new; 3 gets its customer, 8 its product, 9 another cost, 10 another place, 11 another
# product version (a price change that arrives late); 5 and a line of 6 go; 4 stays as it is, but its product is called
# otherwise. Work order 1 stays, 2 is done, 3 gets its product, 4 scrap, 5 goes; movement 11 stays, 12 gets its product, 13 is
# archived, 14 another product version; the purchase is shipped and received, stock moves, the salesperson changes department
# and pay
LATER = {
    "humanresources.employeedepartmenthistory": [
        {
            "businessentityid": 279,
            "departmentid": 3,
            "shiftid": 1,
            "startdate": "2024-03-01",
            "enddate": "2025-02-28",
        },
        {
            "businessentityid": 279,
            "departmentid": 5,
            "shiftid": 1,
            "startdate": "2025-03-01",
            "enddate": None,
        },
    ],
    "humanresources.employeepayhistory": [
        {"businessentityid": 279, "ratechangedate": "2025-05-01", "rate": "22.5", "payfrequency": 2}
    ],
    "production.workorder": [
        work_order(2, 707, 8, enddate="2025-03-14"),
        work_order(4, 708, 5, 2, scrapreasonid=4, enddate="2025-03-12"),
    ],
    "production.workorderrouting": [operation(2, 1, "3.5", "100"), operation(4, 1, "1", "20")],
    "production.transactionhistoryarchive": [movement(13, 708, "W", "2025-03-03", 6)],
    "production.productinventory": [
        {"productid": 707, "locationid": 6, "shelf": "A", "bin": 1, "quantity": 38},
        {"productid": 999, "locationid": 10, "shelf": "B", "bin": 1, "quantity": 4},
    ],
    "purchasing.purchaseorderheader": [{"purchaseorderid": 1, "status": 4, "shipdate": "2025-03-15"}],
    "purchasing.purchaseorderdetail": [purchase(1, 1, 708, 10, "10", "2")],
    "sales.salespersonquotahistory": [
        {"businessentityid": 279, "quotadate": "2025-05-31", "salesquota": "250"}
    ],
    "sales.salesorderheadersalesreason": [{"salesorderid": 1, "salesreasonid": 2}],
    "sales.salesreason": [{"salesreasonid": 3, "name": "Quality", "reasontype": "Other"}],
    "sales.customer": [{"customerid": 3, "personid": 10, "territoryid": 1}],
    "production.product": [
        {
            "productid": 999,
            "name": "Bell",
            "standardcost": "2",
            "listprice": "20",
            "sellstartdate": "2024-01-01",
        },
        {"productid": 707, "listprice": "22"},
        {"productid": 709, "name": "Sport Helmet"},
    ],
    "production.productcosthistory": [cost(707, "2025-02-01", None, "12.5")],
    "production.productlistpricehistory": [
        price(707, "2024-01-01", "2025-05-31", "20"),
        price(707, "2025-06-01", None, "22"),
    ],
    "person.address": [{"addressid": 1, "city": "Redmond", "postalcode": "98052"}],
    "sales.salesorderheader": [
        order(1, 1, "2025-01-31", "70.00", status=5, shipdate="2025-02-07"),
        order(2, 2, "2025-02-01", "30.00", status=5, shipdate="2025-02-08", onlineorderflag=False),
        order(6, 1, "2025-03-03", "20.00"),
        order(7, 1, "2025-06-01", "44.00"),
    ],
    "sales.salesorderdetail": [line(2, 1, 708, 3, "10"), line(9, 7, 707, 2, "22")],
}
