"""What the sync task does while it waits for a job, against a server that answers as a real Airbyte may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from airbyte_api.utils import BackoffStrategy, RetryConfig
from airflow.providers.airbyte.hooks.airbyte import AirbyteHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airbyte_config import jobs
from orchestration.sync import AirbyteSyncOperator

JOB = {"jobId": 7, "connectionId": "c", "jobType": "sync", "startTime": "2024-02-29T12:00:00Z"}


class Airbyte:
    """Answers each question for a job with the next of `answers` (a status of the job, or of HTTP), the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[str | int] = []
        self.logins = self.cancelled = 0
        made = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                made.logins += 1
                self._answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 900})

            def do_DELETE(self) -> None:
                made.cancelled += 1
                self._answer(200, {**JOB, "status": "cancelled"})

            def do_GET(self) -> None:
                answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
                if isinstance(answer, int):
                    self._answer(answer, {"detail": f"says {answer}"})
                elif "?" in self.path:
                    self._answer(200, {"data": [{**JOB, "status": answer}]})
                else:
                    self._answer(200, {**JOB, "status": answer, "rowsSynced": 3})

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


def patience(milliseconds: int) -> RetryConfig:
    """Asks again every few milliseconds, for so long."""
    return RetryConfig("backoff", BackoffStrategy(1, 5, 1.5, milliseconds), retry_connection_errors=True)


@pytest.fixture
def airbyte(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airbyte]:
    made = Airbyte()
    connection = {
        "conn_type": "airbyte",
        "host": made.url,
        "login": "client",
        "password": "secret",  # pragma: allowlist secret
    }
    monkeypatch.setenv(
        "AIRFLOW_CONN_AIRBYTE_DEFAULT", json.dumps({**connection, "schema": f"{made.url}/applications/token"})
    )
    monkeypatch.setattr(jobs, "PATIENT", patience(milliseconds=60_000))
    yield made
    made.server.shutdown()
    made.server.server_close()


def operator(**changes: Any) -> AirbyteSyncOperator:
    made = AirbyteSyncOperator(task_id="sync", connection="shop", wait_seconds=0.001, **changes)
    made.job_id = 7
    return made


def test_every_documented_status_before_the_end_is_waited_for(airbyte: Airbyte) -> None:
    airbyte.answers = ["pending", "queued", "running", "incomplete", "queued", "succeeded"]
    assert operator()._ended(AirbyteHook()).rows == 3


def test_a_queued_job_is_adopted(airbyte: Airbyte) -> None:
    airbyte.answers = ["queued"]
    adopting = operator()
    adopting.job_id = None
    adopting._adopt(AirbyteHook(), {})
    assert adopting.job_id == 7


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_without_success_fails_the_try(airbyte: Airbyte, status: str) -> None:
    airbyte.answers = ["running", status]
    with pytest.raises(AirflowException, match=f"Airbyte job 7 {status}: see the job's log in Airbyte"):
        operator()._ended(AirbyteHook())


def test_a_server_that_is_away_for_a_moment_is_borne(airbyte: Airbyte) -> None:
    airbyte.answers = ["running", 503, 500, "succeeded"]
    assert operator()._ended(AirbyteHook()).id == 7


def test_a_server_that_stays_away_fails_the_try_and_not_the_task(
    airbyte: Airbyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PATIENT", patience(milliseconds=50))
    airbyte.answers = ["running", 503]
    with pytest.raises(AirflowException, match="waiting for job 7: Airbyte says: says 503") as failure:
        operator()._ended(AirbyteHook())
    assert not isinstance(failure.value, AirflowFailException)
    assert airbyte.cancelled == 0  # the next try adopts it


def test_one_401_is_a_new_log_in_and_two_are_the_end(airbyte: Airbyte) -> None:
    airbyte.answers = ["running", 401, "running", 401, "succeeded"]
    assert operator()._ended(AirbyteHook()).id == 7
    assert airbyte.logins > 1
    airbyte.answers = ["running", 401]
    with pytest.raises(AirflowFailException, match="says 401 — check AIRBYTE_CLIENT_ID"):
        operator()._ended(AirbyteHook())


def test_a_job_that_takes_too_long_is_cancelled(airbyte: Airbyte) -> None:
    airbyte.answers = ["running"]
    with pytest.raises(AirflowException, match=r"did not end within 0\.01 s; it was cancelled"):
        operator(timeout=0.01)._ended(AirbyteHook())
    assert airbyte.cancelled == 1
