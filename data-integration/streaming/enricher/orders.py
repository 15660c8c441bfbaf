"""An order with attributes of its customer and products. A key that the dimensions lack stays, with no attributes and a flag."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import reduce
from typing import Any

from streaming.enricher.dimensions import UNKNOWN, Attributes, Dimensions

EXACT = Context(prec=60)
MILLIONTH = Decimal("0.000001")


def enriched(order: dict[str, Any], dimensions: Dimensions) -> dict[str, Any]:
    """The event of `shop.orders_enriched` for one of `shop.orders`; amounts in USD."""
    dimensions.refresh()
    lines = [_line(line, dimensions) for line in order["lines"]]
    return {
        **{name: order[name] for name in ("event_id", "occurred_at", "salesorderid", "territoryid")},
        "channel_name": "Online" if order["onlineorderflag"] else "Reseller",
        "units": sum(line["orderqty"] for line in lines),
        "revenue": reduce(EXACT.add, (line["revenue"] for line in lines), Decimal(0)),
        "customerid": order["customerid"],
        **customer_fields(dimensions.customer(order["customerid"])),
        "published_version": dimensions.version,
        "lines": lines,
    }


def customer_fields(found: Attributes | None) -> dict[str, Any]:
    """The fields that say what is known of a customer."""
    names = ("customer_type", "customer_territory", "customer_country")
    return {"customer_known": found is not None} | dict(zip(names, found or UNKNOWN, strict=True))


def _line(line: dict[str, Any], dimensions: Dimensions) -> dict[str, Any]:
    found = dimensions.product(line["productid"])
    names = ("product_name", "product_subcategory", "product_category")
    price = EXACT.multiply(line["unitprice"], 1 - line["unitpricediscount"])
    return {
        **{name: line[name] for name in ("salesorderdetailid", "productid", "orderqty")},
        "product_known": found is not None,
        **dict(zip(names, found or UNKNOWN, strict=True)),
        "revenue": EXACT.multiply(price, line["orderqty"]).quantize(MILLIONTH, context=EXACT),
    }
