"""Currencies: a rate for each day, and the rates that orders carry."""

from __future__ import annotations

import numpy as np

from adventureworks.generator.columns import (
    Frame,
    Plan,
    amounts,
    from_list,
    stamped,
    timestamps,
)
from adventureworks.generator.orders import Book

DOLLAR_TERRITORIES = 5  # the first ones
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


def currency_rates(plan: Plan) -> Frame:
    """A rate per currency and day: a whole-number random walk, folded back into the currency's range."""
    codes, days = list(RATES), np.arange(QUOTED_DAYS)
    average = np.stack([_walk(plan, code) for code in codes], axis=1)
    drift = plan.chance("sales.currencyrate.closing").between(-30, 30, average.size)
    closing = average + average * drift.reshape(average.shape) // 10_000
    quoted = np.ones(average.shape, bool)
    for code in CEASED:
        quoted[CEASED_DAYS:, codes.index(code)] = False
    day = np.broadcast_to(days[:, None], average.shape)[quoted]
    quote = np.broadcast_to(np.arange(len(codes)), average.shape)[quoted]
    moments = timestamps(_first_quote(plan) + day)
    return stamped(
        plan,
        "sales.currencyrate",
        {
            "currencyrateid": np.arange(1, len(day) + 1),
            "currencyratedate": moments,
            "fromcurrencycode": "USD",
            "tocurrencycode": from_list(codes, quote),
            "averagerate": amounts(average[quoted]),
            "endofdayrate": amounts(np.where(quote == codes.index("USD"), 10_000, closing[quoted])),
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


def rate_of_orders(plan: Plan, book: Book, territory: np.ndarray) -> np.ndarray:
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
