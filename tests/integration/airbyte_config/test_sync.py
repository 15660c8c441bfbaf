"""`elt sync` and `elt airbyte jobs`: start, follow, adopt, cancel, fail; and raw equals source afterwards."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from pathlib import Path

import duckdb
import pytest

from airbyte_config.definitions import load
from airbyte_config.documents import DIRECTORY
from airbyte_config.jobs import Job, JobFailedError, sync
from airbyte_config.verify import verify
from foundation.errors import EltError
from foundation.settings import ROOT
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.connections import by_cursor
from tests.fixtures.source import SourceDatabase
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_config.conftest import Chain, make_site


def test_after_a_sync_raw_is_the_source_again(chain: Chain) -> None:
    raw_follows_the_source(chain, DIRECTORY)
    with chain.source.connect() as source:
        source.execute("delete from sales.salesorderdetail where salesorderid = 43659")
        source.execute("delete from sales.currency where currencycode = 'XAU'")
    found = {item.stream: item for item in verify(settings=chain.settings) if not item.equal}
    assert found["sales.currency"].keys == ("currencycode=XAU is only in raw",)
    assert set(found) == {"sales.salesorderdetail", "sales.currency"}
    sync(settings=chain.settings)
    assert all(item.equal for item in verify(settings=chain.settings))
    with duckdb.connect(chain.settings.warehouse_path, read_only=True) as raw:
        kept = "select name, _ab_cdc_deleted_at is null from adventureworks_sales.currency where currencycode = 'XAU'"
        assert raw.execute(kept).fetchall() == [(None, False)]


def test_by_cursor_raw_is_the_source_again_and_a_change_of_the_method_goes_on_from_there(
    chain: Chain, tmp_path: Path
) -> None:
    files = by_cursor(tmp_path / "by cursor")
    chain.site.apply(files)
    raw_follows_the_source(chain, files)
    chain.site.apply()
    with chain.source.connect() as source:
        source.execute("delete from sales.currency where currencycode = 'XAU'")
    sync(settings=chain.settings)
    assert all(item.equal for item in verify(settings=chain.settings))
    chain.site.apply(files)
    with chain.source.connect() as source:
        source.execute("update sales.currency set name = 'Dollar' where currencycode = 'USD'")
    sync(settings=chain.settings)
    assert all(item.equal for item in verify(directory=files, settings=chain.settings))


def raw_follows_the_source(chain: Chain, files: Path) -> None:
    """The first sync, then one with an update and an insert; `verify` sees what is missing before."""
    result = chain.site.elt("sync")
    assert result.returncode == 0, result.stderr
    last = result.stdout.splitlines()[-1]
    assert re.fullmatch(r"sync job \d+ of adventureworks: succeeded, [\d,]+ rows, [\d.]+ MB, \d+ s", last)
    results = verify(directory=files, settings=chain.settings)
    assert [item.line() for item in results if not item.equal] == []
    defined = load(files, chain.settings).connection("adventureworks").definition.streams
    assert {item.stream for item in results} == {stream.label for stream in defined}
    with chain.source.connect() as source:
        source.execute("update sales.salesorderheader set status = 3 where salesorderid = 43659")
        source.execute("insert into sales.currency (currencycode, name) values ('XAU', 'Gold')")
    found = {item.stream: item for item in verify(directory=files, settings=chain.settings) if not item.equal}
    assert found["sales.salesorderheader"].keys == ("salesorderid=43659 differs in status, modifieddate",)
    assert found["sales.currency"].keys == ("currencycode=XAU is missing in raw",)
    assert len(found) == 2
    job = sync(settings=chain.settings)
    assert job.rows >= 2
    assert all(item.equal for item in verify(directory=files, settings=chain.settings))
    jobs = chain.site.elt("airbyte", "jobs", "--limit", "5")
    assert jobs.returncode == 0
    listed = [line.split() for line in jobs.stdout.splitlines()[1:]]
    assert [line[1:4] for line in listed] == [["adventureworks", "sync", "succeeded"]] * 2
    assert listed[0][0] == str(job.id)


def test_a_running_job_is_adopted_and_not_cancelled(chain: Chain) -> None:
    with chain.held_up():
        job_id = chain.start_job()
        with pytest.raises(JobFailedError, match=rf"sync job {job_id} did not end within 0.1 s; it goes on"):
            sync(timeout=0.1, settings=chain.settings)
        seen: list[tuple[int, bool]] = []

        def interrupted(job: Job, adopted: bool) -> None:
            seen.append((job.id, adopted))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sync(report=interrupted, settings=chain.settings)
        assert seen == [(job_id, True)]
        assert chain.newest().active
        follower = subprocess.Popen(
            chain.site.command("sync"), env=chain.site.environ, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert (
            follower.stdout.readline() == f"sync job {job_id} of adventureworks runs already: following it\n"
        )
    output = follower.communicate(timeout=60)[0]
    assert follower.returncode == 0
    assert f"sync job {job_id} of adventureworks: succeeded" in output
    assert chain.newest().id == job_id


def test_ctrl_c_cancels_the_job(chain: Chain) -> None:
    with chain.held_up():
        process = subprocess.Popen(
            chain.site.command("sync"),
            env=chain.site.environ,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: "running" in process.stdout.readline() or process.poll() is not None, 30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of adventureworks: cancelled, " in output.splitlines()[-1]
    assert errors.strip() == "elt: interrupted"
    assert chain.newest().status == "cancelled"


def test_a_job_that_takes_too_long_is_cancelled(chain: Chain) -> None:
    with chain.held_up():
        result = chain.site.elt("sync", "--timeout", "1")
    assert result.returncode == 1
    assert re.fullmatch(
        r"elt: sync job \d+ did not end within 1 s; it was cancelled — allow it more with --timeout\n",
        result.stderr,
    )
    assert chain.newest().status == "cancelled"


def test_a_failed_job_gives_its_reason(chain: Chain) -> None:
    with chain.source.connect() as source:
        source.execute("revoke select on sales.store from airbyte_reader")
    result = chain.site.elt("sync")
    assert result.returncode == 1
    assert re.match(r"elt: sync job \d+ of adventureworks failed: ", result.stderr)
    assert "store" in result.stderr
    assert result.stderr.count("\n") == 1
    listed = chain.site.elt("airbyte", "jobs").stdout
    assert "failed" in listed
    assert "store" in listed


def test_a_server_that_is_restarted_meanwhile_is_waited_for(
    source: SourceDatabase, own_airbyte: AirbyteServer, tmp_path: Path
) -> None:
    chain = Chain(source, make_site(own_airbyte, source, tmp_path / "elt home"))
    chain.site.apply()
    restarted = []

    def stop_and_start_later(job: Job, adopted: bool) -> None:
        if not restarted:
            own_airbyte.stop()
            restarted.append(threading.Timer(1.0, own_airbyte.start))
            restarted[0].start()

    with (
        chain.held_up(),
        pytest.raises(JobFailedError, match=r"of adventureworks failed: the server was stopped"),
    ):
        sync(report=stop_and_start_later, settings=chain.settings)
    restarted[0].join()


def test_an_inactive_connection_is_refused_in_airbytes_words(chain: Chain, own_files) -> None:
    chain.site.apply(own_files("connections/adventureworks.yaml", "status: active", "status: inactive"))
    with pytest.raises(
        EltError, match="syncing adventureworks: Airbyte says: the connection is inactive, not active"
    ):
        sync(settings=chain.settings)


def test_a_connection_that_airbyte_does_not_have_is_named(chain: Chain) -> None:
    with pytest.raises(EltError, match="no connection shop — create it with `elt airbyte apply`"):
        sync("shop", settings=chain.settings)
