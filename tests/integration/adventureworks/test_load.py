"""`elt source load` on the original data."""

from decimal import Decimal

from adventureworks.schema import tables
from tests.fixtures.source import SourceDatabase


def test_every_table_has_the_originals_row_count(original_source: SourceDatabase) -> None:
    from adventureworks.database import row_counts

    with original_source.connect() as conn:
        assert row_counts(conn) == {name: table.original_rows for name, table in tables().items()}


def test_the_order_lines_sum_to_the_last_digit(original_source: SourceDatabase) -> None:
    with original_source.connect("reader") as conn:
        total = conn.execute(
            "select sum(unitprice * (1 - unitpricediscount) * orderqty) from sales.salesorderdetail"
        )
        assert total.fetchone()[0] == Decimal("109846381.399888")
