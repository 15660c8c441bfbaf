"""`elt airbyte verify`: it finds what was broken on purpose, and nothing where all is equal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airbyte_config.verify import verify
from foundation.errors import EltError
from foundation.lease import WarehouseInUseError, lease
from foundation.settings import load_settings
from tests.fixtures import warm
from tests.fixtures.source import free_port
from tests.integration.airbyte_config.conftest import Pair

pytestmark = pytest.mark.promise

STREAMS = 44


def elt(pair: Pair, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run("elt", *arguments, environ=pair.environ | environ)


def differing(pair: Pair) -> dict:
    return {name: result for name, result in pair.verify().items() if not result.equal}


def test_equal_sides_have_no_difference(equal_pair: Pair) -> None:
    results = equal_pair.verify()
    assert len(results) == STREAMS
    assert [name for name, result in results.items() if not result.equal] == []
    assert results["sales.salesorderdetail"].source_rows > 1000
    assert len(results["sales.salesorderdetail"].raw_checksum) == 32


def test_order_of_rows_means_nothing(pair: Pair) -> None:
    pair.raw(
        """
        create or replace table adventureworks_sales.customer as
        from adventureworks_sales.customer order by hash(customerid)
    """
    )
    assert differing(pair) == {}


def test_a_changed_cell_is_found_by_key_and_column(pair: Pair) -> None:
    pair.raw("update adventureworks_sales.salesorderheader set status = 6 where salesorderid = 43660")
    found = differing(pair)
    assert list(found) == ["sales.salesorderheader"]
    result = found["sales.salesorderheader"]
    assert (result.missing, result.extra, result.changed) == (0, 0, 1)
    assert result.keys == ("salesorderid=43660 differs in status",)


def test_two_rows_that_swap_a_value_are_found(pair: Pair) -> None:
    """Counts, and the sums of every single column, stay the same."""
    pair.raw(
        """
        update adventureworks_sales.currency
        set name = case currencycode when 'USD' then 'EURO' else 'US Dollar' end
        where currencycode in ('USD', 'EUR')
    """
    )
    assert differing(pair)["sales.currency"].keys == (
        "currencycode=EUR differs in name",
        "currencycode=USD differs in name",
    )


def test_a_missing_row_is_found(pair: Pair) -> None:
    pair.raw("delete from adventureworks_sales.salesorderheadersalesreason where salesorderid % 2 = 0")
    result = differing(pair)["sales.salesorderheadersalesreason"]
    assert result.missing == result.source_rows - result.raw_rows > 5
    assert len(result.keys) == 5
    assert "is missing in raw" in result.keys[0]
    assert "salesreasonid=" in result.keys[0]


def test_an_extra_row_is_found(pair: Pair) -> None:
    pair.raw(
        "insert into adventureworks_sales.currency by name select 'XXX' as currencycode, 'No money' as name"
    )
    result = differing(pair)["sales.currency"]
    assert (result.missing, result.extra, result.changed) == (0, 1, 0)
    assert result.keys == ("currencycode=XXX is only in raw",)


def test_a_row_that_raw_holds_twice_is_found(pair: Pair) -> None:
    pair.raw(
        "insert into adventureworks_sales.salesreason from adventureworks_sales.salesreason where salesreasonid = 2"
    )
    result = differing(pair)["sales.salesreason"]
    assert result.keys == ("salesreasonid=2 is in raw 2 times",)


def test_null_is_not_the_same_as_empty(pair: Pair) -> None:
    pair.raw("update adventureworks_person.person set title = '' where title is null")
    result = differing(pair)["person.person"]
    assert result.changed > 0
    assert result.keys[0].endswith("differs in title")


@pytest.mark.parametrize(
    ("statement", "stream", "reason"),
    [
        (
            "drop table adventureworks_sales.store",
            "sales.store",
            "raw has no table adventureworks_sales.store",
        ),
        (
            "alter table adventureworks_sales.store drop column demographics",
            "sales.store",
            "adventureworks_sales.store has no column demographics",
        ),
        (
            "alter table adventureworks_production.product alter weight type double",
            "production.product",
            "adventureworks_production.product.weight is DOUBLE instead of DECIMAL(8,2)",
        ),
        (
            "alter table adventureworks_sales.creditcard add column cardnumber varchar",
            "sales.creditcard",
            "adventureworks_sales.creditcard holds cardnumber, which the connection leaves out",
        ),
    ],
)
def test_tables_of_another_shape_differ(pair: Pair, statement: str, stream: str, reason: str) -> None:
    pair.raw(statement)
    found = differing(pair)
    assert list(found) == [stream]
    assert found[stream].reason == reason
    assert found[stream].source_rows > 0
    assert reason in found[stream].line()


def test_every_type_of_the_contract_is_compared_exactly(empty_pair: Pair, own_files) -> None:
    empty_pair.files = own_files("sources/adventureworks.yaml", "schemas: [", "schemas: [odd, ")
    connection = empty_pair.files / "connections" / "adventureworks.yaml"
    head = connection.read_text().split("streams:")[0].split("streamDefaults:")[0]
    connection.write_text(
        f"{head}streams:\n  - {{namespace: odd, name: 'every type', syncMode: full_refresh_overwrite}}\n"
    )
    with empty_pair.source.connect() as source:
        source.execute(
            """
            create schema odd;
            grant usage on schema odd to airbyte_reader;
            create domain odd.code as varchar(5);
            create table odd."every type" (
                "a ""quoted"" key" int, b smallint, c bigint, d boolean, e numeric(8,2), f numeric, g char(5), h varchar(5),
                i text, j xml, k timestamp, l timestamptz, m date, n time, o uuid, p bytea, q real, r double precision,
                s odd.code, t int[]
            );
            insert into odd."every type" values
                (1, -32768, 9223372036854775807, true, -123456.78, 12345678901234567890123.00001, 'ab', 'x', E'a\\n"b"',
                 '<a>ü</a>', '2026-01-01 00:00:00.000001', '2026-01-01 12:00+05', '1900-02-28', '23:59:59.999999',
                 gen_random_uuid(), '\\x00ff5c', 0.1, 0.1, 'co', '{1,2}'),
                (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
                 null, null);
            grant select on odd."every type" to airbyte_reader;
        """
        )
    empty_pair.copy_raw()
    assert differing(empty_pair) == {}
    empty_pair.raw("""update adventureworks_odd."every type" set g = 'ab' where g is not null""")
    (result,) = differing(empty_pair).values()
    assert (result.missing, result.extra, result.keys) == (1, 1, ())  # without a key nothing is named
    assert "1 missing in raw, 1 only in raw" in result.line()


def test_values_compare_by_their_output_form(empty_pair: Pair, own_files) -> None:
    """Infinite moments, which the driver wraps around; a domain over a domain; types whose cast to text is another text."""
    empty_pair.files = own_files("sources/adventureworks.yaml", "schemas: [", "schemas: [odd, ")
    connection = empty_pair.files / "connections" / "adventureworks.yaml"
    head = connection.read_text().split("streams:")[0].split("streamDefaults:")[0]
    connection.write_text(
        f"{head}streams:\n  - {{namespace: odd, name: forms, syncMode: full_refresh_overwrite}}\n"
    )
    with empty_pair.source.connect() as source:
        source.execute(
            """
            create schema odd;
            grant usage on schema odd to airbyte_reader;
            create domain odd.price as numeric(8,2);
            create domain odd.sale_price as odd.price;
            create table odd.forms (
                id int primary key, a timestamp, b timestamptz, c date, d odd.sale_price, e inet, f cidr, g json
            );
            insert into odd.forms values (1, 'infinity', '-infinity', 'infinity', 1.5, '10.0.0.1', '10.0.0.0/8', '[1 ]');
            grant select on odd.forms to airbyte_reader;
        """
        )
    empty_pair.raw(
        """
        create schema adventureworks_odd;
        create table adventureworks_odd.forms as select 1::integer as id, 'infinity'::timestamp as a,
            '-infinity'::timestamptz as b, 'infinity'::date as c, 1.5::decimal(8,2) as d, '10.0.0.1' as e,
            '10.0.0.0/8' as f, '[1 ]'::json as g
    """
    )
    assert differing(empty_pair) == {}
    empty_pair.raw("update adventureworks_odd.forms set e = '10.0.0.1/32'")
    assert differing(empty_pair)["odd.forms"].keys == ("id=1 differs in e",)


def odd_stream(pair: Pair, own_files, *statements: str, mode: str = "full_refresh_overwrite") -> None:
    """One stream `odd.t` alone in the connection, its table made by the statements."""
    pair.files = own_files("sources/adventureworks.yaml", "schemas: [", "schemas: [odd, ")
    connection = pair.files / "connections" / "adventureworks.yaml"
    head = connection.read_text().split("streams:")[0].split("streamDefaults:")[0]
    connection.write_text(
        f"{head}streams:\n  - {{namespace: odd, name: t, syncMode: {mode}, primaryKey: [id]}}\n"
    )
    with pair.source.connect() as source:
        for statement in (
            "create schema odd",
            "grant usage on schema odd to airbyte_reader",
            *statements,
            "grant select on odd.t to airbyte_reader",
        ):
            source.execute(statement)


def test_a_column_that_was_wider_once_is_equal(empty_pair: Pair, own_files) -> None:
    odd_stream(
        empty_pair,
        own_files,
        "create table odd.t (id int, a int, b real, c date, d numeric(8,2), e numeric(8,2))",
        "insert into odd.t values (1, 5, 0.1, '2024-01-02', 1.5, 1.5)",
    )
    empty_pair.raw("create schema adventureworks_odd")
    empty_pair.raw(
        "create table adventureworks_odd.t as select 1::integer as id, 5::bigint as a, 0.1::double as b,"
        " '2024-01-02'::timestamp as c, 1.5::decimal(20,6) as d, '1.50' as e"
    )
    assert differing(empty_pair) == {}
    empty_pair.raw("update adventureworks_odd.t set e = '1.5'")
    assert differing(empty_pair)["odd.t"].keys == ("id=1 differs in e",)
    empty_pair.raw("alter table adventureworks_odd.t alter a type smallint")
    assert "a is SMALLINT instead of INTEGER" in differing(empty_pair)["odd.t"].reason


def test_a_value_that_raw_cannot_hold_is_a_difference_of_its_stream(empty_pair: Pair, own_files) -> None:
    odd_stream(
        empty_pair,
        own_files,
        "create table odd.t (id int, a numeric(8,2))",
        "insert into odd.t values (1, 'NaN')",
    )
    empty_pair.raw("create schema adventureworks_odd")
    empty_pair.raw("create table adventureworks_odd.t (id integer, a decimal(8,2))")
    assert "a value of the source does not fit its type in raw" in differing(empty_pair)["odd.t"].reason


def test_keys_with_nulls_are_looked_at_again(empty_pair: Pair, own_files) -> None:
    odd_stream(
        empty_pair,
        own_files,
        "create table odd.t (id int, a int)",
        "insert into odd.t values (null, 1), (2, 2)",
    )
    empty_pair.raw("create schema adventureworks_odd")
    empty_pair.raw(
        "create table adventureworks_odd.t as select null::integer as id, 9::integer as a union all select 2, 2"
    )
    first = differing(empty_pair)["odd.t"]
    again = verify(directory=empty_pair.files, settings=empty_pair.settings, among={"odd.t": first.differing})
    assert [(result.source_rows, result.raw_rows, result.equal) for result in again] == [(1, 1, False)]


def test_of_a_history_the_last_row_of_each_key_counts(pair: Pair, own_files) -> None:
    key = "primaryKey: [currencycode]\n"
    pair.files = own_files("connections/adventureworks.yaml", key, f"{key}    syncMode: incremental_append\n")
    table = "adventureworks_sales.currency"
    pair.raw(
        f"create or replace table {table} as select *, 2::bigint as _ab_cdc_lsn, null::varchar as _ab_cdc_deleted_at from {table}"
    )
    pair.raw(f"insert into {table} by name select * replace ('old' as name, 1 as _ab_cdc_lsn) from {table}")
    pair.raw(
        f"insert into {table} by name select 'XXX' as currencycode, 3 as _ab_cdc_lsn, 'then' as _ab_cdc_deleted_at"
    )
    assert differing(pair) == {}
    pair.raw(f"update {table} set _ab_cdc_lsn = 4 where currencycode = 'USD' and name = 'old'")
    assert differing(pair)["sales.currency"].keys == ("currencycode=USD differs in name",)


def test_the_command_prints_a_line_per_stream_and_its_exit_code_tells(pair: Pair) -> None:
    good = elt(pair, "airbyte", "verify")
    assert good.returncode == 0, good.stderr
    lines = good.stdout.splitlines()
    assert len(lines) == STREAMS + 1
    assert all(": equal, " in line for line in lines[:-1])
    assert lines[-1].endswith("source and raw are equal")
    pair.raw("delete from adventureworks_sales.currency where currencycode = 'USD'")
    bad = elt(pair, "airbyte", "verify", "--json")
    assert bad.returncode == 1
    results = {item["stream"]: item for item in json.loads(bad.stdout)}
    assert results["sales.currency"]["keys"] == ["currencycode=USD is missing in raw"]
    assert not results["sales.currency"]["equal"]
    assert results["sales.customer"]["equal"]


def test_verify_changes_nothing_and_holds_writers_off(pair: Pair) -> None:
    path = pair.settings.warehouse_path
    before = path.read_bytes()
    with pytest.raises(WarehouseInUseError, match="elt airbyte verify"):
        verify(report=lambda result: lease(path, "writer", 0).__enter__(), settings=pair.settings)
    assert path.read_bytes() == before
    with lease(path, "writer", 0):
        pass


def test_a_writer_in_the_way_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundation.warehouse.WAIT_SECONDS", 0.3)
    code = "import sys; from pathlib import Path; from foundation.lease import lease\n"
    code += "with lease(Path(sys.argv[1]), 'sync job 12'): print('held', flush=True); sys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(pair.settings.warehouse_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout.readline() == b"held\n"
    with pytest.raises(EltError, match=rf"in use by sync job 12 \(process {writer.pid}, since"):
        pair.verify()
    writer.communicate()


def test_the_source_down_or_its_password_wrong_is_said_with_the_remedy(pair: Pair) -> None:
    down = load_settings(pair.environ | {"SOURCE_PORT": str(free_port())})
    with pytest.raises(
        EltError, match=rf"the source 127.0.0.1:{down.source_port}/.* can't be reached: .*`elt up postgres`"
    ):
        verify(settings=down)
    wrong = elt(pair, "airbyte", "verify", SOURCE_READER_PASSWORD="not the password")
    assert wrong.returncode == 2
    assert "refused the password of airbyte_reader — set SOURCE_READER_PASSWORD" in wrong.stderr
    assert "not the password" not in wrong.stderr
    assert (wrong.stdout, wrong.stderr.count("\n")) == ("", 1)


def test_no_warehouse_is_said_with_the_remedy(empty_pair: Pair) -> None:
    with pytest.raises(EltError, match=r"there is no warehouse at .* — run `make demo` first"):
        empty_pair.verify()


def test_snowflake_is_said_to_be_out_of_reach(pair: Pair) -> None:
    environ = pair.environ | {
        "AIRBYTE_DESTINATION": "snowflake",
        "SNOWFLAKE_HOST": "x.snowflakecomputing.com",
    }
    settings = load_settings(environ | {"SNOWFLAKE_LOADER_PRIVATE_KEY": "key"})
    with pytest.raises(EltError, match="verify can't read a snowflake destination yet"):
        verify(settings=settings)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: addresstype", "name: adresstype", "line 40: the source has no table person.adresstype"),
        (
            "    - loginid",
            "    - login",
            "line 23: humanresources.employee has no column login in the source",
        ),
    ],
)
def test_a_stream_that_the_source_does_not_have_is_named_with_its_line(
    pair: Pair, own_files, old: str, new: str, message: str
) -> None:
    pair.files = own_files("connections/adventureworks.yaml", old, new)
    with pytest.raises(EltError, match=message):
        pair.verify()


def test_an_unknown_connection_is_answered_with_those_that_there_are(pair: Pair) -> None:
    with pytest.raises(EltError, match="no file defines a connection shop — there is: adventureworks"):
        verify("shop", settings=pair.settings)
