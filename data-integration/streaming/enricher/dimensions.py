"""What the published dimensions of the warehouse say of a customer and of a product now, read again when a newer version is shown."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

import duckdb

from foundation.errors import EltError
from foundation.settings import Settings
from foundation.warehouse import LOCKED_DOWN, open_read_only

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
READER = LOCKED_DOWN | {"memory_limit": "256MB", "threads": 1}
CUSTOMERS = """
select customer_id, customer_type, territory_name, country_name
from marts.dim_customer
where is_current and customer_id is not null
"""
PRODUCTS = """
select product_id, product_name, product_subcategory, product_category
from marts.dim_product
where is_current and product_id is not null
"""

Attributes = tuple[str | None, str | None, str | None]
UNKNOWN: Attributes = (None, None, None)


@dataclass
class Dimensions:
    """`customer` and `product` look a key up: what is known, or None. `version`: which one was read; None: none is published."""

    config: Settings
    version: int | None = None
    _customers: dict[int, Attributes] = field(default_factory=dict)
    _products: dict[int, Attributes] = field(default_factory=dict)
    _look_at: float = 0.0

    def customer(self, key: int | None) -> Attributes | None:
        """Type, territory, country."""
        return None if key is None else self._customers.get(key)

    def product(self, key: int) -> Attributes | None:
        """Name, subcategory, category."""
        return self._products.get(key)

    def refresh(self) -> None:
        """Read the version that is shown, if it is another; looks at most every LOOK_SECONDS. What can't be read leaves the last one."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        # the link may be switched at any moment: all of a reading is of one version
        file = self.config.serving_path.parent.resolve() / self.config.serving_path.name
        version = int(file.parent.name.removeprefix("v")) if file.exists() else None
        if version is None or version == self.version:
            return
        try:
            with open_read_only(file, "stream-enricher", leased=False, config=READER) as published:
                customers, products = (
                    {row[0]: row[1:] for row in published.execute(query).fetchall()}
                    for query in (CUSTOMERS, PRODUCTS)
                )
        except (EltError, duckdb.Error) as error:
            log.warning("version %s of the dimensions can't be read: %s", version, error)
            return
        self._customers, self._products, self.version = customers, products, version
        log.info(
            "version %s of the dimensions: %s customers, %s products", version, len(customers), len(products)
        )
