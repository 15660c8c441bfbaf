"""Where everybody lives or has an office: within the territory of the customer, so that orders ship there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from adventureworks.generator import names
from adventureworks.generator.chance import Chance
from adventureworks.generator.columns import (
    Frame,
    Plan,
    Stretch,
    fixed_text,
    from_list,
    hexadecimal,
    joined,
    stamped,
    timestamps,
    unless,
)
from adventureworks.generator.orders import Book
from adventureworks.generator.people import EMPLOYEES, VENDORS, People, known_since
from adventureworks.generator.reference import facts

HOME, MAIN_OFFICE, SHIPPING = 2, 3, 5  # address types
WASHINGTON = 79  # the state where the company is
# latitude and longitude in hundredths of a degree: a box per country
BOXES = {
    "US": (3000, 4700, -12000, -7500),
    "CA": (4900, 5300, -12300, -7300),
    "FR": (4350, 4950, 0, 600),
    "DE": (4800, 5350, 700, 1300),
    "AU": (-3780, -2750, 14400, 15300),
    "GB": (5080, 5400, -300, 0),
}


def addresses(plan: Plan, book: Book, who: People) -> list[Frame]:
    """Addresses, and whose they are."""
    since = known_since(plan, book, who)
    return [_addresses(plan, who, since), _entity_addresses(plan, who, since)]


def _addresses(plan: Plan, who: People, since: np.ndarray) -> Frame:
    chance = plan.chance("person.address")
    count = len(who.address_territory)
    place = _places(plan, who)
    cities = facts("city")
    state = cities.numbers("stateprovinceid")[place]
    states = facts("person.stateprovince")
    country_of = dict(
        zip(states.numbers("stateprovinceid").tolist(), states.strings("countryregioncode"), strict=True)
    )
    country = [country_of[number] for number in cities.numbers("stateprovinceid").tolist()]
    return stamped(
        plan,
        "person.address",
        {
            "addressid": np.arange(1, count + 1),
            "addressline1": _streets(
                np.array([("FR", "DE").index(c) if c in ("FR", "DE") else 2 for c in country])[place], chance
            ),
            "addressline2": joined("# ", chance.between(1, 999, count), missing=~chance.happens(18, count)),
            "city": from_list(cities.strings("city"), place),
            "stateprovinceid": state,
            "postalcode": from_list(cities.strings("postalcode"), place),
            "spatiallocation": _locations(np.array([BOXES[c] for c in country])[place], chance),
            "modifieddate": timestamps(since[_owners(who) - 1]),
        },
    )


def _places(plan: Plan, who: People) -> np.ndarray:
    """The city (its line in city.csv) of each address, within the address's territory."""
    chance = plan.chance("person.address.city")
    cities, states = facts("city"), facts("person.stateprovince")
    territory_of = dict(
        zip(states.numbers("stateprovinceid").tolist(), states.numbers("territoryid").tolist(), strict=True)
    )
    state = cities.numbers("stateprovinceid")
    territory = np.array([territory_of[number] for number in state.tolist()])
    people = cities.numbers("people")
    place = np.empty(len(who.address_territory), np.int64)
    for number in range(1, 11):
        here = np.flatnonzero(who.address_territory == number)
        place[here] = chance.choose(np.where(territory == number, people, 0), len(here))
    at_company = np.where(state == WASHINGTON, people, 0)
    place[:EMPLOYEES] = chance.choose(at_company, EMPLOYEES)
    return place


def _streets(style: np.ndarray, chance: Chance) -> Stretch:
    """House number and street; the number comes last in Germany (style 1), before a comma in France (style 0)."""
    pool = [*names.STREETS_FRENCH, *names.STREETS_GERMAN, *names.STREETS]
    sizes = np.array([len(names.STREETS_FRENCH), len(names.STREETS_GERMAN), len(names.STREETS)])
    firsts = np.cumsum(sizes) - sizes
    street = from_list(pool, firsts[style] + chance.below(sizes[style], len(style)))
    number = joined(chance.between(1, 9_899, len(style)))
    last = style == 1
    return joined(unless(number, last), street, unless(number, ~last))


def _locations(box: np.ndarray, chance: Chance) -> Stretch:
    """A point in the country's box, in SQL Server's binary form of a geography (SRID 4326)."""
    count = len(box)
    point = np.stack(
        [100 * box[:, at] + chance.below(100 * (box[:, at + 1] - box[:, at]), count) for at in (0, 2)], axis=1
    )

    def stretch(start: int, stop: int) -> pa.Array:
        degrees = np.ascontiguousarray((point[start:stop] / 10_000).astype("<f8"))
        head = np.frombuffer(b"\\xe6100000010c", np.uint8)
        return fixed_text(np.hstack([np.tile(head, (stop - start, 1)), hexadecimal(degrees.view(np.uint8))]))

    return stretch


def _owners(who: People) -> np.ndarray:
    """The entity of each address."""
    seconds = len(who.store_second_address)
    return np.concatenate(
        [np.arange(1, EMPLOYEES + 1), who.vendor, who.store, who.store[:seconds], who.individual]
    )


def _entity_addresses(plan: Plan, who: People, since: np.ndarray) -> Frame:
    sizes = (EMPLOYEES, VENDORS, len(who.store), len(who.store_second_address), len(who.individual))
    owners = _owners(who)
    kind = np.repeat([HOME, MAIN_OFFICE, MAIN_OFFICE, SHIPPING, HOME], sizes)
    order = np.lexsort((kind, owners))
    return stamped(
        plan,
        "person.businessentityaddress",
        {
            "businessentityid": owners[order],
            "addressid": np.arange(1, len(owners) + 1)[order],
            "addresstypeid": kind[order],
            "modifieddate": timestamps(since[owners[order] - 1]),
        },
    )
