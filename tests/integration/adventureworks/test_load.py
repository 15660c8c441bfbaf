"""`elt source load`: the original data, whole or not at all."""

from __future__ import annotations

import gzip
import os
import threading
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from adventureworks.database import checksums, ensure_schema, publish, replace_all, row_counts
from adventureworks.loader import find_files, load, read_chunks
from adventureworks.schema import tables
from foundation.errors import EltError
from tests.fixtures.small_disk import small_disk
from tests.fixtures.source import SourceDatabase, original_data

STAMP = "2020-01-02 03:04:05.678901"
REGIONS = [("DE", "Germany"), ("FR", "France")]


def write_folder(folder: Path, **rows: str) -> Path:
    """All 68 files: headers, and under them the lines given as `schema__table="line\\nline\\n"`."""
    folder.mkdir(exist_ok=True)
    for name, table in tables().items():
        lines = rows.get(name.replace(".", "__"), "")
        (folder / f"{name}.csv").write_text(",".join(table.column_names) + "\n" + lines)
    return folder


def regions(*pairs: tuple[str, str]) -> str:
    return "".join(f"{code},{name},{STAMP}\n" for code, name in pairs)


def load_into(database: SourceDatabase, folder: Path) -> dict[str, int]:
    with database.connect() as conn:
        return load(conn, folder, reader=database.server.config.source_reader)


# -- the original


def test_every_table_has_the_originals_row_count(original_source: SourceDatabase) -> None:
    with original_source.connect("reader") as conn:
        assert row_counts(conn) == {name: table.original_rows for name, table in tables().items()}


def test_the_order_lines_sum_to_the_last_digit(original_source: SourceDatabase) -> None:
    with original_source.connect("reader") as conn:
        total = conn.execute(
            "select count(*), sum(unitprice * (1 - unitpricediscount) * orderqty) from sales.salesorderdetail"
        )
        assert total.fetchone() == (121317, Decimal("109846381.399888"))


@pytest.mark.parametrize(
    "name", ["production.document", "production.productmodel", "production.product", "humanresources.shift"]
)
def test_bytes_xml_padding_and_times_come_back_as_they_were(
    original_source: SourceDatabase, name: str
) -> None:
    """COPY out in key order gives the file, byte for byte."""
    table = tables()[name]
    columns = ", ".join(f'"{column}"' for column in table.column_names)
    query = f"copy (select {columns} from {name} order by {', '.join(table.primary_key)}) to stdout (format csv, header)"
    with original_source.connect("reader") as conn, conn.cursor().copy(query) as copy:
        found = b"".join(bytes(chunk) for chunk in copy)
    assert found == b"".join(read_chunks(find_files(original_data())[name]))


def test_new_keys_follow_the_greatest_one(original_source: SourceDatabase) -> None:
    database = original_source.copy()
    with database.connect() as conn:
        (given,) = conn.execute(
            "insert into sales.currencyrate (currencyratedate, fromcurrencycode, tocurrencycode, averagerate,"
            " endofdayrate) values (now(), 'USD', 'EUR', 1, 1) returning currencyrateid"
        ).fetchone()
    assert given == 13532 + 1
    database.server.drop(database)


# -- the schema


def test_the_database_says_of_itself_what_the_catalogue_says(empty_source: SourceDatabase) -> None:
    query = """
        select c.table_schema || '.' || c.table_name, array_agg(c.column_name::text order by c.ordinal_position)
        from information_schema.columns c
        where c.table_schema = any(array['humanresources', 'person', 'production', 'purchasing', 'sales'])
        group by 1
    """
    with empty_source.connect() as conn:
        assert dict(conn.execute(query)) == {
            name: list(table.column_names) for name, table in tables().items()
        }
        owners = conn.execute(
            "select distinct tableowner from pg_tables where schemaname in ('person', 'sales')"
        ).fetchall()
        assert owners == [("adventureworks_owner",)]
        keys = conn.execute(
            "select count(*) from pg_constraint where contype = 'f' and convalidated"
        ).fetchone()
        assert keys == (90,)
        assert conn.execute(
            "select format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 'person.person'::regclass and attname = 'demographics'"
        ).fetchone() == ("xml",)


def test_tables_of_another_version_are_refused(empty_source: SourceDatabase) -> None:
    reader = empty_source.server.config.source_reader
    with empty_source.connect() as conn:
        conn.execute("alter table sales.currency add column symbol text")
        with pytest.raises(EltError, match=r"sales\.currency has other columns"):
            ensure_schema(conn, reader)
        conn.execute("drop table sales.currency cascade")
        with pytest.raises(EltError, match=r"sales\.currency is missing"):
            ensure_schema(conn, reader)


def test_a_missing_reader_is_named(empty_source: SourceDatabase) -> None:
    with empty_source.connect() as conn, pytest.raises(EltError, match="no role nobody_reads"):
        ensure_schema(conn, "nobody_reads")


# -- whole or not at all


def test_a_load_creates_the_schema_and_keeps_the_given_dates(source_server, tmp_path: Path) -> None:
    database = source_server.create()
    folder = write_folder(tmp_path / "a folder", person__countryregion=regions(*REGIONS))
    assert load_into(database, folder)["person.countryregion"] == 2
    with database.connect("reader") as conn:
        dates = conn.execute("select distinct modifieddate::text from person.countryregion").fetchall()
    assert dates == [(STAMP,)]
    database.server.drop(database)


def test_loading_again_replaces_and_changes_nothing(empty_source: SourceDatabase, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", person__countryregion=regions(*REGIONS))
    load_into(empty_source, folder)
    with empty_source.connect() as conn:
        before = checksums(conn)
        conn.execute("insert into person.countryregion values ('XX', 'Elsewhere')")
        assert checksums(conn) != before
    load_into(empty_source, folder)
    with empty_source.connect() as conn:
        assert checksums(conn) == before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"person__countryregion": regions(*REGIONS) + "US,x,yesterday or so\n"},
            r"line 4, column modifieddate: inv",
        ),
        (
            {"person__countryregion": f'DE,"two\nlines",{STAMP}\nFR\n'},
            r"countryregion.csv, line 4: missing data for",
        ),
        (
            {"person__countryregion": f"DE,Germany,{STAMP},more\n"},
            r"line 2: extra data after last expected column",
        ),
        ({"person__countryregion": f",Germany,{STAMP}\n"}, r"line 2: null value in column"),
        (
            {"person__countryregion": f'DE,"Germany,{STAMP}\n'},
            r"countryregion.csv, line \d: unterminated CSV quoted",
        ),
        (
            {"person__countryregion": f"DEUTSCH,Germany,{STAMP}\n"},
            r"line 2, column countryregioncode: value too long",
        ),
        ({"person__countryregion": regions(*REGIONS, *REGIONS)}, r"countryregion.csv: Key .* is duplicated"),
        (
            {"sales__countryregioncurrency": f"DE,EUR,{STAMP}\n"},
            r"sales.countryregioncurrency \(countryregioncode\) points to rows missing in person.countryregion: "
            r"Key \(countryregioncode\)=\(DE\) is not present",
        ),
    ],
)
def test_a_malformed_row_is_named_and_nothing_loaded(
    empty_source: SourceDatabase, tmp_path: Path, rows: dict[str, str], message: str
) -> None:
    load_into(empty_source, write_folder(tmp_path / "good", person__countryregion=regions(("JP", "Japan"))))
    with pytest.raises(EltError, match=message) as caught:
        load_into(empty_source, write_folder(tmp_path / "bad", **rows))
    assert "nothing was loaded" in caught.value.remedy
    with empty_source.connect() as conn:
        assert conn.execute("select countryregioncode from person.countryregion").fetchall() == [("JP",)]
        assert conn.execute("select count(*) from pg_constraint where contype in ('f', 'p')").fetchone() >= (
            158,
        )
        assert conn.execute("select count(*) from pg_trigger where tgenabled = 'D'").fetchone() == (0,)


def test_another_header_and_another_encoding_are_named(empty_source: SourceDatabase, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f")
    file = folder / "person.countryregion.csv"
    file.write_text(f"code,name,modifieddate\nDE,Germany,{STAMP}\n")
    with pytest.raises(
        EltError, match=r'person.countryregion.csv, line 1: .*got "code", expected "countryregioncode"'
    ):
        load_into(empty_source, folder)
    file.write_bytes(b"countryregioncode,name,modifieddate\nDE,Stra\xdfe," + STAMP.encode() + b"\n")
    with pytest.raises(EltError, match=r"person.countryregion.csv, line 2: invalid byte sequence"):
        load_into(empty_source, folder)


def test_a_cut_off_file_loads_nothing(empty_source: SourceDatabase, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", person__addresstype="")
    (folder / "person.countryregion.csv").unlink()
    packed = gzip.compress((",".join(["countryregioncode", "name", "modifieddate"]) + "\n").encode() * 99)
    (folder / "person.countryregion.csv.gz").write_bytes(packed[:-9])
    with pytest.raises(EltError, match=r"person.countryregion.csv.gz is damaged"):
        load_into(empty_source, folder)


def test_a_reader_sees_all_old_rows_or_all_new_ones(empty_source: SourceDatabase, tmp_path: Path) -> None:
    """A sync's snapshot from before a load goes on seeing what was there."""
    load_into(empty_source, write_folder(tmp_path / "old", person__countryregion=regions(*REGIONS)))
    with empty_source.connect("reader") as sync:
        sync.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        sync.execute("select pg_export_snapshot()")
        load_into(
            empty_source, write_folder(tmp_path / "new", person__countryregion=regions(("JP", "Japan")))
        )
        assert sync.execute("select count(*) from person.countryregion").fetchone() == (2,)
    with empty_source.connect("reader") as later:
        assert later.execute("select count(*) from person.countryregion").fetchone() == (1,)


def test_two_loads_at_once_leave_one_content(empty_source: SourceDatabase, tmp_path: Path) -> None:
    folders = [
        write_folder(
            tmp_path / code,
            person__countryregion=regions((code, code)),
            sales__currency=f"{code}X,{code},{STAMP}\n",
        )
        for code in ("AA", "BB")
    ]
    threads = [threading.Thread(target=load_into, args=(empty_source, folder)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with empty_source.connect() as conn:
        both = conn.execute("select r.name, c.name from person.countryregion r, sales.currency c").fetchall()
    assert both in ([("AA", "AA")], [("BB", "BB")])


def test_tables_in_use_are_an_error_with_a_remedy(
    empty_source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adventureworks.database.LOCK_TIMEOUT", "200ms")
    with empty_source.connect("reader") as reader:
        reader.execute("select count(*) from sales.customer")
        with pytest.raises(EltError, match="in use by other sessions"):
            load_into(
                empty_source, write_folder(tmp_path / "f", person__countryregion=regions(("DE", "Germany")))
            )


def test_a_lost_connection_is_an_error_with_a_remedy(empty_source: SourceDatabase) -> None:
    def rows():
        yield b"countryregioncode,name,modifieddate\n"
        with empty_source.connect("superuser") as conn:
            conn.execute("select pg_terminate_backend(%s)", [loading.info.backend_pid])
        for _ in range(10000):
            yield regions(*REGIONS).encode()

    loading = empty_source.connect()
    with pytest.raises(EltError, match="the source database went away"):
        replace_all(
            loading, {"person.countryregion": rows()}, reader=empty_source.server.config.source_reader
        )


# -- roles and trigger


def test_the_trigger_sets_the_clock_in_utc_whatever_the_sessions_time_zone(
    empty_source: SourceDatabase,
) -> None:
    query = "select modifieddate - clock_timestamp() at time zone 'UTC' from person.countryregion"
    with empty_source.connect() as conn:
        conn.execute("set timezone = 'Asia/Tokyo'")
        conn.execute("insert into person.countryregion values ('DE', 'Germany', '1999-01-01')")
        assert abs(conn.execute(query).fetchone()[0].total_seconds()) < 5
        first = conn.execute("select modifieddate from person.countryregion").fetchone()
        conn.execute("update person.countryregion set name = 'Deutschland'")
        assert conn.execute("select modifieddate from person.countryregion").fetchone() > first


def test_the_reader_reads_all_and_writes_nothing(empty_source: SourceDatabase) -> None:
    with empty_source.connect("reader", autocommit=True) as conn:
        assert row_counts(conn) == dict.fromkeys(tables(), 0)
        assert conn.execute(
            "select rolreplication from pg_roles where rolname = current_user"
        ).fetchone() == (True,)
        assert conn.execute("select pg_has_role('pg_read_all_stats', 'usage')").fetchone() == (True,)
        for statement in (
            "delete from sales.customer",
            "create table sales.x (a int)",
            "truncate person.person",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


def test_the_owner_publishes_every_table_and_what_is_not_published_is_added(
    empty_source: SourceDatabase,
) -> None:
    def published(name: str) -> set[str]:
        query = "select schemaname || '.' || tablename from pg_publication_tables where pubname = %s"
        return {table for (table,) in conn.execute(query, [name])}

    with empty_source.connect() as conn:
        assert published("adventureworks") == set(tables())
        owner = "select pubowner::regrole::text from pg_publication"
        assert conn.execute(owner).fetchall() == [("adventureworks_owner",)]
        conn.execute("alter publication adventureworks drop table sales.store")
        conn.execute("create table public.more (id int)")
        conn.execute("alter publication adventureworks add table public.more")
        for _ in range(2):
            publish(conn, "adventureworks")
            assert published("adventureworks") == {*tables(), "public.more"}
        publish(conn, "another")
        assert published("another") == set(tables())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_full_disk_is_named_and_nothing_loaded(original_source: SourceDatabase, tmp_path: Path) -> None:
    server, disk = original_source.server, tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 24):
        (disk / "space").mkdir()
        if server.cluster.runner.owner is not None:
            os.chown(disk / "space", server.cluster.runner.owner, -1)
        with server.superuser() as conn:
            conn.execute(sql.SQL("create tablespace small location {}").format(str(disk / "space")))
            conn.execute("create database full_disk owner adventureworks_owner tablespace small")
        database = SourceDatabase(server, "full_disk", "full_disk")
        with pytest.raises(EltError, match=r"disk is full: .* — free some disk space"):
            load_into(database, original_data())
        with database.connect() as conn:
            assert conn.execute("select count(*) from pg_tables where schemaname = 'sales'").fetchone() == (
                0,
            )
        server.drop(database)
        with server.superuser() as conn:
            conn.execute("drop tablespace small")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_folder_of_header_lines_alone_empties_no_source(tmp_path: Path, suffix: str) -> None:
    for name, table in tables().items():
        line = (",".join(table.column_names) + "\n").encode()
        (tmp_path / f"{name}{suffix}").write_bytes(gzip.compress(line) if suffix.endswith("gz") else line)
    with pytest.raises(EltError, match=r"none of the 68 files .* has a row: the source would be emptied"):
        load(None, tmp_path)  # no connection is asked for
