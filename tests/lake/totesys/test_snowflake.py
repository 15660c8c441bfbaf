"""The same stars on Snowflake's dialect."""

from __future__ import annotations

import duckdb

from tests.fixtures.snowflake import Snowflake
from tests.lake.totesys.conftest import NEEDED, WITHOUT_TESTS, Chain

MARTS = """
select schema_name || '.' || table_name from duckdb_tables()
where schema_name = 'marts_totesys' or table_name like 'mart_totesys%' order by all
"""


def test_snowflake_has_the_same_stars(chain: Chain, snowflake_emulator: Snowflake) -> None:
    snowflake_emulator.load_raw(chain.warehouse.path)
    chosen = [word for name in ("tag:totesys", *NEEDED) for word in ("--select", name)]
    snowflake_emulator.build(*chosen, *WITHOUT_TESTS, ELT_SOURCES="adventureworks,totesys")
    marts = [name for (name,) in chain.star(MARTS)]
    assert len(marts) == 18
    for mart in marts:
        theirs = snowflake_emulator.arrow(f"select * from {mart}")
        with duckdb.connect(chain.warehouse.path, read_only=True) as connection:
            connection.register("theirs", theirs)
            assert connection.execute(f"(from {mart}) except all (from theirs)").fetchall() == [], mart
            assert connection.execute(f"(from theirs) except all (from {mart})").fetchall() == [], mart
