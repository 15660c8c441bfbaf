"""`elt airbyte jobs, logs, cancel, refresh, clear, reset`: in this process, against the real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import httpx
import pytest

from airbyte_config.logs import _Reader
from elt.cli import main
from foundation.settings import settings
from tests.integration.airbyte_config.conftest import Chain


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Elt = Callable[..., Result]


@pytest.fixture
def elt(chain: Chain, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Elt:
    """Run `elt ARGUMENTS` in this process, in the environment of the chain."""
    for name, value in chain.site.environ.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Result(end.value.code or 0, printed.out, printed.err)

    yield run
    settings.cache_clear()


def raw(chain: Chain, query: str) -> list[tuple]:
    with duckdb.connect(chain.settings.warehouse_path, read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def test_jobs_are_listed_filtered_and_shown_stream_by_stream(chain: Chain, elt: Elt) -> None:
    synced = elt("airbyte", "sync")
    assert synced.code == 0, synced.err
    lines = synced.out.splitlines()
    streams = [line for line in lines if line.startswith("  ")]
    assert len(streams) == len(set(streams))
    currency = [line for line in streams if line.startswith("  sales.currency: ")]
    assert len(currency) == 1  # one line when it is complete, though the job was looked at again and again
    assert currency[0].startswith("  sales.currency: complete, 105 rows, 0.0 MB, ")
    assert currency[0].endswith(" rows/s")

    (job,) = json.loads(elt("airbyte", "jobs", "--json").out)
    assert (job["connection"], job["jobType"], job["status"]) == ("adventureworks", "sync", "succeeded")
    assert len(job["streams"]) == len(streams)
    assert sum(stream["rows"] for stream in job["streams"]) == job["rows"] > 1000
    assert all(stream["seconds"] > 0 for stream in job["streams"])

    cleared = elt("airbyte", "clear", "adventureworks")
    assert cleared.code == 0, cleared.err
    assert "clear job" in cleared.out.splitlines()[-1]
    assert raw(chain, "select count(*) from adventureworks_sales.currency") == [(0,)]
    refreshed = elt("airbyte", "refresh", "adventureworks")
    assert refreshed.code == 0, refreshed.err
    assert raw(chain, "select count(*) from adventureworks_sales.currency") == [(105,)]

    def listed(*filters: str) -> list[list[str]]:
        """Type and status of each."""
        lines = elt("airbyte", "jobs", *filters).out.splitlines()[1:]
        return [line.split()[2:4] for line in lines]

    everything = [["refresh", "succeeded"], ["clear", "succeeded"], ["sync", "succeeded"]]
    assert listed() == everything
    assert listed("--connection", "adventureworks") == everything
    assert listed("--type", "clear") == everything[1:2]
    assert listed("--status", "failed") == []
    assert listed("--limit", "1") == everything[:1]
    unknown = elt("airbyte", "jobs", "--connection", "shop")
    assert (unknown.code, unknown.out) == (2, "")
    assert "no connection shop" in unknown.err


def test_a_log_is_shown_and_followed_to_the_end_of_its_job(chain: Chain, elt: Elt) -> None:
    with chain.held_up():
        job_id = chain.start_job()
        threading.Timer(1.5, lambda: chain.site.server.http.delete(f"/jobs/{job_id}")).start()
        followed = elt("airbyte", "logs", job_id, "-f")
    assert followed.code == 0, followed.err
    assert chain.newest().status == "cancelled"
    assert followed.out == chain.site.server.log(job_id)  # all of it, nothing twice
    assert "sync of connection adventureworks" in followed.out
    assert elt("airbyte", "logs", job_id).out == followed.out
    again = elt("airbyte", "cancel", job_id)
    assert f"sync job {job_id}: it had ended already: cancelled" in again.out
    for verb in ("logs", "cancel"):
        missing = elt("airbyte", verb, 999_999)
        assert missing.code == 2
        assert "Airbyte has no such job — list them with `elt airbyte jobs`" in missing.err


def test_ctrl_c_only_stops_following_and_another_job_in_the_way_is_named(
    chain: Chain, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with chain.held_up():
        job_id = chain.start_job()
        with monkeypatch.context() as patch:
            patch.setattr("airbyte_config.logs.time.sleep", interrupted)
            followed = elt("airbyte", "logs", job_id, "--follow")
        assert (followed.code, followed.err) == (0, "")
        assert chain.newest().active
        refused = elt("airbyte", "clear", "adventureworks")
        assert refused.code == 2
        assert f"sync job {job_id} of this connection still runs" in refused.err
        assert f"`elt airbyte cancel {job_id}`" in refused.err
        cancelled = elt("airbyte", "cancel", job_id)
    assert cancelled.out.startswith(f"sync job {job_id}: cancelled, ")
    assert chain.newest().status == "cancelled"


def test_a_real_airbyte_has_no_logs_and_that_is_said(
    chain: Chain, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = chain.start_job()
    chain.site.server.wait(job_id)
    original = httpx.Client.get

    def as_airbyte(self: httpx.Client, url: str, **options: object) -> httpx.Response:
        return original(self, url.replace("/logs", "/no-such-thing"), **options)

    monkeypatch.setattr(httpx.Client, "get", as_airbyte)
    answer = elt("airbyte", "logs", job_id)
    assert answer.code == 2
    assert "this Airbyte shows no logs in its public API" in answer.err


def test_one_stream_is_refreshed_alone_where_the_airbyte_can_do_that(
    chain: Chain, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert elt("airbyte", "sync").code == 0
    done = elt("airbyte", "refresh", "adventureworks", "--stream", "sales.currency")
    assert done.code == 0, done.err
    generations = "select max(_airbyte_generation_id) from adventureworks_sales."
    assert raw(chain, f"{generations}currency") == [(raw(chain, f"{generations}store")[0][0] + 1,)]
    unknown = elt("airbyte", "refresh", "adventureworks", "--stream", "sales.nope")
    assert (unknown.code, "the connection has no such stream" in unknown.err) == (2, True)
    original = httpx.Client.post

    def as_airbyte(self: httpx.Client, url: str, **options: object) -> httpx.Response:
        return original(self, url.replace("jobs/streams", "jobs/1/streams"), **options)

    monkeypatch.setattr(httpx.Client, "post", as_airbyte)
    answer = elt("airbyte", "refresh", "adventureworks", "--stream", "sales.currency")
    assert (answer.code, "this Airbyte chooses no streams in its public API" in answer.err) == (2, True)


def test_a_token_that_ends_while_a_log_is_followed_is_renewed(
    chain: Chain,
) -> None:
    job_id = chain.start_job()
    chain.site.server.wait(job_id)
    with _Reader(job_id, "reading", chain.settings) as reader:
        first = reader.more()
        reader._token = "1.ended"
        reader._offset = 0
        assert reader.more() == first != ""
