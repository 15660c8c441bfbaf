"""How long `elt build` takes at a scale: the whole, and what changed in a trading day (`--changed`); models apart from tests.

    python tests/benchmarks/build.py [--scale 1] [--threads 1] [--json] [--home DIR]

The raw layer is written straight from the generator, without a source database and a sync. The day is made in raw, in all
streams that a day of the simulated shop changes: new orders like those of the last day, those of a week ago shipped, some
corrected, three prices changed, some customers moved, others new or changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from adventureworks.generator import frames
from adventureworks.generator.columns import Plan
from adventureworks.schema import tables
from tests.benchmarks.engine import looking, resident_peak
from tests.integration.transformation.raw_layer import Warehouse, raw_name, raw_type, streams

EXTRACTED, LATER = "timestamptz '2025-01-01 00:00:00+00'", "timestamptz '2025-01-02 00:00:00+00'"

# one trading day, as the next sync would have merged it
DAY = """
set variable last_day = (select max(orderdate) from adventureworks_sales.salesorderheader);
set variable first_new = (select max(salesorderid) + 1 from adventureworks_sales.salesorderheader);
set variable first_line = (select max(salesorderdetailid) + 1 from adventureworks_sales.salesorderdetail);

create temp table new_orders as
select *, getvariable('first_new') + row_number() over (order by salesorderid) as new_id
from adventureworks_sales.salesorderheader where orderdate = getvariable('last_day');

insert into adventureworks_sales.salesorderdetail
select d.* replace (
    new_id as salesorderid, getvariable('first_line') + row_number() over () as salesorderdetailid,
    {later} as _airbyte_extracted_at
)
from adventureworks_sales.salesorderdetail as d join new_orders as o using (salesorderid);

insert into adventureworks_sales.salesorderheader
select * exclude (new_id) replace (
    new_id as salesorderid, orderdate + interval 1 day as orderdate, duedate + interval 1 day as duedate,
    {later} as _airbyte_extracted_at
)
from new_orders;

update adventureworks_sales.salesorderheader
set status = 5, shipdate = getvariable('last_day'), _airbyte_extracted_at = {later}
where orderdate = getvariable('last_day') - interval 6 day;

update adventureworks_sales.salesorderheader
set freight = cast(cast(freight as decimal(18, 4)) + 1 as varchar),
    totaldue = cast(cast(totaldue as decimal(18, 4)) + 1 as varchar), _airbyte_extracted_at = {later}
where salesorderid % 997 = 0 and orderdate > getvariable('last_day') - interval 60 day;

update adventureworks_person.address set city = city || ' Heights', _airbyte_extracted_at = {later}
where addressid % 997 = 0;

create temp table repriced as
select productid from adventureworks_production.productlistpricehistory where enddate is null order by 1 limit 3;
update adventureworks_production.productlistpricehistory
set enddate = getvariable('last_day') + interval 1 day, _airbyte_extracted_at = {later}
where enddate is null and productid in (from repriced);
insert into adventureworks_production.productlistpricehistory by name
select productid, getvariable('last_day') + interval 2 day as startdate, '99.99' as listprice,
    getvariable('last_day') as modifieddate, {later} as _airbyte_extracted_at
from repriced;
update adventureworks_production.product set _airbyte_extracted_at = {later} where productid in (from repriced);
update adventureworks_production.productcosthistory set _airbyte_extracted_at = {later}
where enddate is null and productid in (from repriced);

insert into adventureworks_sales.salesorderheadersalesreason by name
select r.* replace (new_id as salesorderid, {later} as _airbyte_extracted_at)
from adventureworks_sales.salesorderheadersalesreason as r join new_orders as o using (salesorderid);
update adventureworks_person.person set lastname = lastname || 'son', _airbyte_extracted_at = {later}
where businessentityid % 997 = 0;
update adventureworks_person.emailaddress set _airbyte_extracted_at = {later} where businessentityid % 997 = 0;
update adventureworks_person.personphone set _airbyte_extracted_at = {later} where businessentityid % 997 = 0;
update adventureworks_person.businessentityaddress set _airbyte_extracted_at = {later} where addressid % 997 = 0;
update adventureworks_sales.customer set _airbyte_extracted_at = {later} where customerid % 997 = 0;
update adventureworks_sales.creditcard set _airbyte_extracted_at = {later} where creditcardid % 997 = 0;
"""


def load(warehouse: Warehouse, scale: float) -> int:
    """The connection's streams as the generator makes them; returns rows."""
    warehouse.create_raw()
    plan = Plan(scale, seed=42, as_of=datetime.now(UTC).date())  # also beyond what people may ask for
    content, rows = {frame.table: frame.reader() for frame in frames(plan)}, 0
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("set timezone = 'UTC'")
        for name, columns in streams().items():
            types = {column.name: raw_type(column.type) for column in tables()[name].columns}
            values = ", ".join(f'cast("{column}" as {types[column]})' for column in columns)
            names = ", ".join(f'"{column}"' for column in columns)
            generated = content[name]  # DuckDB finds it by its name
            connection.execute(
                f"insert into {raw_name(tables()[name])} ({names}, _airbyte_raw_id, _airbyte_extracted_at,"
                " _airbyte_meta, _airbyte_generation_id)"
                f" select {values}, cast(uuid() as varchar), {EXTRACTED}, null, 0 from generated"
            )
            rows += connection.fetchone()[0]
            del generated
    return rows


@contextmanager
def watched() -> Iterator[dict[int, int]]:
    """The greatest resident size in bytes of each process below this one, by its number; dbt's is the largest."""
    peaks: dict[int, int] = {}

    def look() -> None:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                peaks[process.pid] = max(peaks.get(process.pid, 0), resident_peak(process))

    with looking(look, 0.5):
        yield peaks


def timed(warehouse: Warehouse, *arguments: str) -> dict[str, object]:
    """Seconds by the clock of a whole `elt build`, and those of its models by their own clocks."""
    started = time.monotonic()
    with watched() as peaks:
        output = warehouse.build("--timing", "--exclude", "resource_type:unit_test", *arguments)
    clock = time.monotonic() - started
    lines = [line.split(" s  ") for line in output.splitlines() if " s  " in line and line.startswith(" ")]
    own = {name: float(seconds) for seconds, name in lines}
    [(_, models), (_, tests)] = list(own.items())[-2:]
    slowest = dict(list(own.items())[:12])
    return {
        "clock": round(clock, 1),
        "models": models,
        "tests": tests,
        "peak_memory_mib": max(peaks.values()) >> 20,
        "warehouse_mib": warehouse.path.stat().st_size >> 20,
        "slowest": slowest,
    }


def measure(scale: float, home: Path, *arguments: str) -> dict[str, object]:
    """Both builds at a scale."""
    warehouse = Warehouse(home)
    rows = load(warehouse, scale)
    full = timed(warehouse, *arguments)
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(DAY.format(later=LATER))
    after = timed(warehouse, "--changed", *arguments)
    share = round(after["models"] / full["models"], 3)
    return {"scale": scale, "raw_rows": rows, "full": full, "after_a_day": after, "share": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument(
        "--home", type=Path, help="an empty folder for the warehouse; default: a temporary one"
    )
    parser.add_argument(
        "--threads",
        default="1",
        help="dbt's; with 1, the default, a model's seconds are its own, without those of others at the same time",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        result = measure(options.scale, home, "--threads", options.threads)
    if options.json:
        print(json.dumps(result))
        return
    print(f"scale {result['scale']}, {result['raw_rows']:,} raw rows")
    for name in ("full", "after_a_day"):
        build = result[name]
        print(
            f"{name}: {build['clock']} s by the clock; models {build['models']} s, tests {build['tests']} s;"
            f" {build['peak_memory_mib']:,} MiB of memory at the most, {build['warehouse_mib']:,} MiB of disk"
        )
        for model, seconds in build["slowest"].items():
            print(f"    {seconds:8.2f} s  {model}")
    print(f"the models' own time after a day: {result['share']:.0%} of the full build's")


if __name__ == "__main__":
    main()
