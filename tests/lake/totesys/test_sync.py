"""The second company's connection: every change arrives as a row of its own, and nothing that is nobody's business."""

from __future__ import annotations

from tests.fixtures.totesys import Company

LATEST = """
select sales_order_id, units_sold, unit_price::decimal(18, 4)
from totesys.sales_order
qualify row_number() over (partition by sales_order_id order by _ab_cdc_lsn desc) = 1 and _ab_cdc_deleted_at is null
order by 1
"""
ORDERS = "select sales_order_id, units_sold, unit_price from sales_order order by 1"


def test_a_sync_brings_each_change_even_one_that_moves_last_updated_back(company: Company) -> None:
    first = company.sync()
    assert first["sales_order"] == 600
    assert company.raw(LATEST) == company.source(ORDERS)
    company.write(
        "update sales_order set units_sold = 1, last_updated = last_updated - interval '9 days' where sales_order_id = 5",
        "update sales_order set units_sold = 2, last_updated = last_updated - interval '9 days' where sales_order_id = 5",
    )
    assert company.sync()["sales_order"] == 2
    company.trade(200)
    company.sync()
    assert company.raw(LATEST) == company.source(ORDERS)


def test_by_cursor_a_change_that_moves_last_updated_back_is_missed(company: Company) -> None:
    """What the log is read for."""
    company.sync(by_cursor=True)
    company.write(
        "update sales_order set units_sold = 77, last_updated = last_updated - interval '9 days' where sales_order_id = 5",
        "update sales_order set units_sold = 78, last_updated = clock_timestamp() where sales_order_id = 6",
    )
    assert company.sync(by_cursor=True)["sales_order"] == 1
    found = company.raw(
        "select sales_order_id, units_sold from totesys.sales_order where units_sold in (77, 78)"
    )
    assert (6, 78) in found and (5, 77) not in found


def test_account_numbers_stay_in_the_source_and_contacts_arrive_hashed(company: Company) -> None:
    company.sync()
    names = [
        name
        for (name,) in company.raw(
            "select column_name from duckdb_columns() where schema_name = 'totesys' and column_name not like '\\_%' escape '\\'"
        )
    ]
    assert not {
        name
        for name in names
        if "ac_number" in name or name in ("manager", "delivery_contact", "commercial_contact")
    }
    assert {"payment_amount", "delivery_contact_hashed", "commercial_contact_hashed"} <= set(names)
    ((missing,),) = company.source("select count(*) from counterparty where delivery_contact is null")
    assert company.raw(
        "select count(*) filter (where delivery_contact_hashed is null), max(length(delivery_contact_hashed)) from totesys.counterparty"
    ) == [(missing, 64)]
