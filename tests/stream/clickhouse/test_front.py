"""ClickHouse on one machine, through clickhouse-connect as it is: what it holds, who may what, and what survives a kill."""

from __future__ import annotations

import base64
import gzip
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from foundation.settings import ROOT
from tests.fixtures.clickhouse import ClickHouse, memory_mib, served
from tests.fixtures.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with served(tmp_path_factory.mktemp("clickhouse") / "home") as running:
        yield running


@pytest.fixture
def client(server: ClickHouse) -> Any:
    return server.client(database="shop")


@pytest.fixture
def reader(server: ClickHouse) -> Any:
    return server.client(writes=False, database="shop")


def refused(action: Any, *words: str) -> str:
    """The error of an action that must not succeed."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    with pytest.raises(ClickHouseError) as found:
        action()
    said = str(found.value)
    assert all(word in said for word in words), said
    return said


# ------------------------------------------------------------------------------------------------ the client


def test_rows_come_back_as_they_were_sent(client: Any) -> None:
    client.command(
        "create table kinds (id Int64, name String, at DateTime64(6, 'UTC'), price Decimal(28, 6), seen Nullable(Bool),"
        " lines Array(Tuple(product Int32, price Decimal(28, 6)))) engine = MergeTree order by id"
    )
    rows = [
        (1, "Ünïcode 'quoted' \\ \n", datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), Decimal("12345678901234567890.123456"), None, []),
        (2, "", datetime(1970, 1, 1, tzinfo=UTC), Decimal("-0.000001"), True, [(7, Decimal("1.5")), (8, Decimal("0"))]),
    ]  # fmt: skip
    summary = client.insert("kinds", rows, column_names=["id", "name", "at", "price", "seen", "lines"])
    assert summary.written_rows == 2
    found = client.query("select * from kinds order by id", column_formats={"lines": "tuple"}).result_rows
    assert [row[:2] + row[3:5] for row in found] == [row[:2] + row[3:5] for row in rows]
    assert [row[2].replace(tzinfo=UTC) for row in found] == [row[2] for row in rows]
    assert [tuple(line.values()) if isinstance(line, dict) else tuple(line) for line in found[1][5]] == rows[
        1
    ][5]


@pytest.mark.parametrize("compression", ["lz4", "gzip", False])
def test_inserts_are_taken_in_each_compression_of_the_client(
    server: ClickHouse, compression: str | bool
) -> None:
    client = server.client(database="shop", compress=compression)
    table = f"packed_{compression}"
    client.command(f"create table {table} (a UInt32, b String) engine = MergeTree order by a")
    client.insert(table, [[number, "x" * 100] for number in range(10_000)], column_names=["a", "b"])
    assert client.query(f"select count(), sum(a), sum(length(b)) from {table}").result_rows == [
        (10_000, 49_995_000, 1_000_000)
    ]


def test_what_is_acknowledged_is_in_its_table(client: Any) -> None:
    """ClickHouse itself collects small inserts by default; here an acknowledgement means that the rows are there."""
    client.command("create table taken (a UInt32) engine = MergeTree order by a")
    for number in range(1, 31):
        client.insert("taken", [[number]], column_names=["a"])
        assert client.command("select count() from taken") == number


def test_parameters_settings_and_formats_arrive(client: Any) -> None:
    assert client.query("select {a:String}, {b:Int32}", parameters={"a": "it's", "b": -1}).result_rows == [
        ("it's", -1)
    ]
    assert client.command("select getSetting('max_block_size')", settings={"max_block_size": 77}) == 77
    assert client.raw_query("select 1 as a, 'x' as b", fmt="JSONEachRow") == b'{"a":1,"b":"x"}\n'
    many = {
        f"p{number}": "x" * 100 for number in range(200)
    }  # more than a URL holds: the client sends a form
    listed = " || ".join(f"{{{name}:String}}" for name in many)
    assert client.query(f"select length({listed})", parameters=many).result_rows == [(20_000,)]


def test_pandas_free_clients_get_columns_and_streams(client: Any) -> None:
    with client.query_row_block_stream("select number from numbers(100000)") as stream:
        assert sum(row[0] for block in stream for row in block) == 4_999_950_000
    assert client.query("select 1 as a limit 0").column_names == ("a",)


def test_a_session_keeps_what_was_set_in_it_and_no_other_sees_it(server: ClickHouse) -> None:
    one, other = (server.client(session_id=name) for name in ("one", "other"))
    one.command("set max_block_size = 123")
    assert one.command("select getSetting('max_block_size')") == 123
    assert other.command("select getSetting('max_block_size')") != 123


def test_an_error_has_the_code_and_the_words_of_the_engine(client: Any) -> None:
    refused(lambda: client.query("select * from nowhere"), "code: 60", "nowhere")
    refused(lambda: client.query("selec 1"), "code: 62")
    refused(lambda: client.query("select 1", settings={"no_such_setting": 1}), "no_such_setting")


def test_many_ask_at_once_and_each_gets_its_own_answer(server: ClickHouse) -> None:
    clients = [server.client(writes=False) for _ in range(8)]

    def ask(number: int) -> bool:
        client = clients[number % 8]
        (row,) = client.query(
            "select sum(number), {n:Int32} from numbers(200000)", parameters={"n": number}
        ).result_rows
        return row == (19_999_900_000, number)

    with ThreadPoolExecutor(8) as pool:
        lanes = [
            pool.submit(lambda first=first: [ask(first + 8 * i) for i in range(10)]) for first in range(8)
        ]
        assert all(all(lane.result()) for lane in lanes)


# --------------------------------------------------------------------------------------------- who may what


def test_a_wrong_password_is_refused_and_guessing_is_slowed(server: ClickHouse) -> None:
    for login in (
        {},
        {"auth": ("elt", "wrong")},
        {"headers": {"X-ClickHouse-User": "nobody", "X-ClickHouse-Key": ""}},
    ):
        answer = httpx.post(server.url, content="select 1", **login)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.headers["X-ClickHouse-Exception-Code"] == "516"
    answers = {
        httpx.post(server.url, content="select 1", auth=("guessed", str(i))).status_code for i in range(10)
    }
    assert answers == {401, 429}
    assert server.client().command("select 1") == 1, "nobody is kept out by others' wrong guesses"


def test_a_password_in_the_url_is_refused(server: ClickHouse) -> None:
    user, password = server.settings.stream_clickhouse_login(writes=True)
    answer = httpx.get(server.url, params={"query": "select 1", "user": user, "password": password})
    assert answer.status_code == 400
    assert password not in server.log.read_text()


ZSTD = "KLUv/SAMYQAAc2VsZWN0IDYgKiA3"  # select 6 * 7
WRITES = (
    "create table shop.mine (a Int8) engine = MergeTree order by a",
    "insert into shop.kept values (2)",
    "insert into shop.kept select 2",
    "alter table shop.kept delete where 1",
    "truncate table shop.kept",
    "drop table shop.kept",
    "drop database shop",
    "optimize table shop.kept final",
    "set readonly = 0",
    "create temporary table t (a Int8)",
    "kill query where 1",
)
OUTSIDE = (
    "select * from file('/etc/passwd', 'LineAsString')",
    "describe table file('/etc/passwd')",
    "select * from default.`/etc/passwd`",
    "select * from `/etc/passwd`",
    "select * from url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "select * from executable('id', 'CSV', 'a String')",
    "select * from remote('127.0.0.1', system.one)",
    "select * from postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "select * from Python(engine)",
    "select file('/etc/passwd')",
    "select 1 into outfile 'OUTFILE'",
    "with 1 as x select x into outfile 'OUTFILE'",
    "explain select 1 into outfile 'OUTFILE'",
    "select 1; select 2",
    "system shutdown",
    "create user intruder",
    "grant all on *.* to default",
    "create function f as x -> x",
    "execute as default select 1",
    "backup database shop to Disk('default', 'x')",
    "select arrayMap(file, ['/etc/passwd'])",
    "select ‘'’, file('/etc/passwd'), ‘'’",
    "select 1 // '\n, file('/etc/passwd') // '",
    "select file('/proc/self/environ')",
)
OF_WRITERS = (
    "insert into function file('OUTFILE', 'CSV', 'a Int8') values (1)",
    "insert into shop.kept from infile '/etc/passwd' format CSV",
    "create table shop.outside (a String) engine = File(CSV, '/etc/passwd')",
    "create table shop.outside (a String) engine = URL('http://127.0.0.1:1/', CSV)",
    "create table shop.outside engine = MergeTree order by tuple() as select * from file('/etc/passwd', 'LineAsString')",
    "create database outside engine = Filesystem('/etc')",
    "create view shop.outside as select * from file('/etc/passwd', 'LineAsString')",
    "select 1 settings max_execution_time = 0",
    "select 1 settings max_memory_usage = 0",
    "create table shop.outside (a Int8) engine = MergeTree order by a settings disk = disk(type = 'web', endpoint = 'http://127.0.0.1:1/')",
)


@pytest.fixture(scope="module")
def kept(server: ClickHouse) -> dict[bool, Any]:
    """A client that writes and one that reads, with a table of one row."""
    clients = {writes: server.client(writes=writes, database="shop") for writes in (True, False)}
    clients[True].command("create table kept (a Int8) engine = MergeTree order by a")
    clients[True].command("insert into kept values (1)")
    return clients


@pytest.mark.parametrize("statement", [*WRITES, *OUTSIDE])
def test_the_reader_changes_nothing_and_sees_nothing_outside(
    kept: dict[bool, Any], statement: str, tmp_path: Path
) -> None:
    said = refused(lambda: kept[False].command(statement.replace("OUTFILE", f"{tmp_path}/out")))
    assert "root:" not in said
    assert not list(tmp_path.iterdir())
    assert kept[False].query("select * from shop.kept").result_rows == [(1,)]


@pytest.mark.parametrize("statement", [*OUTSIDE, *OF_WRITERS])
def test_nor_does_the_writer_reach_outside(kept: dict[bool, Any], statement: str, tmp_path: Path) -> None:
    said = refused(lambda: kept[True].command(statement.replace("OUTFILE", f"{tmp_path}/out")))
    assert "root:" not in said
    assert not list(tmp_path.iterdir())


# config.xml lies in the engine's folder: of it the kernel's fence keeps nobody
HIDDEN: tuple[tuple[str, dict[str, str]], ...] = (
    ("select arrayMap(file, ['config.xml'])", {}),
    ("select arrayMap(`file`, ['config.xml'])", {}),
    ("select * apply(file) from (select 'config.xml')", {}),
    ("with file as f select arrayMap(f, ['config.xml'])", {}),
    ("select arrayMap({f:Identifier}, ['config.xml'])", {"param_f": "file"}),
    ("select arrayMap({ f : Identifier }, ['config.xml'])", {"param_f": "`file`"}),
    ("select ‘'’, file('config.xml'), ‘'’", {}),
    ("select 1 as “'”, file('config.xml'), 1 as “'”", {}),
    ("select 1 // '\n, file('config.xml') // '", {}),
    ("select 1", {"additional_result_filter": "file('config.xml') != ''"}),
    (
        "select * from system.one",
        {"additional_table_filters": "{'system.one': 'file(\\'config.xml\\') != \\'\\''}"},
    ),
    ("select 1", {"format_template_row": "config.xml", "default_format": "Template"}),
    ("select 1", {"format_schema": "config.xml:M", "default_format": "Protobuf"}),
)


@pytest.mark.threat("a service that is taken over")
@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(("statement", "parameters"), HIDDEN, ids=map(str, range(len(HIDDEN))))
def test_no_quotes_comments_or_parameters_hide_a_file(
    server: ClickHouse, statement: str, parameters: dict[str, str], writes: bool
) -> None:
    answer = ask(server, statement, writes=writes, **parameters)
    assert answer.status_code in (400, 403) and "<clickhouse>" not in answer.text, answer.text


def test_data_are_no_expressions(server: ClickHouse, kept: dict[bool, Any]) -> None:
    kept[True].command("create table lines (a String) engine = MergeTree order by a")
    assert ask(server, "insert into shop.lines values (file('config.xml'))", writes=True).status_code != 200
    assert ask(server, "insert into shop.lines values ('one'), ('file')", writes=True).status_code == 200
    assert kept[False].query("select a from shop.lines order by a").result_rows == [("file",), ("one",)]


def test_a_column_may_be_called_as_what_reaches_outside(kept: dict[bool, Any]) -> None:
    kept[True].command(
        "create table named (file String, engine String, disk Int8) engine MergeTree order by disk"
    )
    kept[True].insert("named", [("a", "Python", 1)])
    found = kept[False].query(
        "select named.file, engine, disk from named where engine = 'Python' and named.file = 'a'"
    )
    assert found.result_rows == [("a", "Python", 1)]


def test_the_kernel_keeps_the_engine_in(server: ClickHouse) -> None:
    """Without it only the words of a statement would be looked at."""
    assert "no Landlock" not in server.log.read_text()


# -------------------------------------------------------------------------------------------------- limits


def ask(server: ClickHouse, query: str, *, writes: bool = False, **parameters: Any) -> httpx.Response:
    """As a plain client of HTTP does."""
    login = server.settings.stream_clickhouse_login(writes=writes)
    return httpx.post(server.url, content=query, params=parameters, auth=login, timeout=60)


def test_a_statement_ends_at_its_time(server: ClickHouse) -> None:
    started = time.monotonic()
    answer = ask(
        server, "select count() from numbers(1e12) where sipHash64(number) = 1", max_execution_time=1
    )
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (408, "159")
    assert time.monotonic() - started < 5
    for asked in ("0", "999", "x"):
        given = ask(server, "select getSetting('max_execution_time')", max_execution_time=asked)
        assert given.text == "30\n", "more than the limit, and none, are the limit"
    assert ask(server, "select getSetting('max_execution_time')", max_execution_time=7).text == "7\n"


@pytest.mark.parametrize("name", ["readonly", "async_insert", "max_threads = 1, readonly"])
def test_settings_of_the_server_are_no_clients(server: ClickHouse, name: str) -> None:
    assert ask(server, "select 1", writes=True, **{name: "0"}).status_code in (400, 403)


def test_a_statement_has_a_limit_of_memory_and_the_server_lives_on(server: ClickHouse, reader: Any) -> None:
    refused(lambda: reader.query("select groupArray(number) from numbers(200000000)"), "241")
    refused(lambda: reader.query("select number from numbers(20000000)"), "396")
    assert reader.command("select 1") == 1
    assert server.process is not None
    assert memory_mib(server.process.pid) < 1536


def test_a_body_is_unpacked_unless_it_is_too_large(server: ClickHouse) -> None:
    login = server.settings.stream_clickhouse_login(writes=True)
    bomb = gzip.compress(b"insert into shop.kept format CSV\n" + b"1\n" * (40 << 20), 1)
    answer = httpx.post(
        server.url, content=bomb, auth=login, headers={"Content-Encoding": "gzip"}, timeout=60
    )
    assert answer.status_code == 413
    assert httpx.post(server.url, content=b"x" * (65 << 10)).status_code == 413, "a stranger's is far smaller"
    packed = base64.b64decode(ZSTD)
    answer = httpx.post(server.url, content=packed, auth=login, headers={"Content-Encoding": "zstd"})
    assert (answer.status_code, answer.text) == (200, "42\n")
    broken = httpx.post(server.url, content=b"no zstd", auth=login, headers={"Content-Encoding": "zstd"})
    assert broken.status_code == 400


# --------------------------------------------------------------------------------------------------- kills


def test_one_process_owns_the_folder(server: ClickHouse) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streaming.launch", "streaming.clickhouse"],
        env=server.environ | {"STREAM_CLICKHOUSE_PORT": str(server.port + 1)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "another ClickHouse runs on" in done.stderr


def test_a_kill_loses_no_acknowledged_insert(tmp_path: Path) -> None:
    """Four clients insert without a pause; the server is killed five times, and each time comes back with all that it had taken."""
    with served(tmp_path / "home") as server:
        client = server.client()
        client.command(
            "create table acknowledged (lane Int32, number Int64) engine = MergeTree order by (lane, number)"
        )
        stopped, acknowledged = Event(), [0] * 4

        def insert(lane: int) -> None:
            own = None
            while not stopped.is_set():
                try:
                    own = own or server.client()
                    number = acknowledged[lane]
                    own.insert("acknowledged", [[lane, number]], column_names=["lane", "number"])
                    acknowledged[lane] = number + 1
                except Exception:  # noqa: BLE001 - it is dead now: the same number again
                    own = None
                    time.sleep(0.05)

        lanes = [Thread(target=insert, args=(lane,)) for lane in range(4)]
        for thread in lanes:
            thread.start()
        for _ in range(5):
            before = sum(acknowledged)
            wait_until(lambda before=before: sum(acknowledged) >= before + 20, 30)
            server.end(signal.SIGKILL)
            server.start()
        stopped.set()
        for thread in lanes:
            thread.join(60)
        found = server.client().query(
            "select lane, uniqExact(number), max(number) from acknowledged group by lane order by lane"
        )
        for (_, numbers, newest), count in zip(found.result_rows, acknowledged, strict=True):
            assert count <= numbers <= count + 1, "one may be taken without its acknowledgement having come"
            assert newest == numbers - 1
        assert sum(acknowledged) >= 100
        assert server.end() == 0, "and it ends in peace"
