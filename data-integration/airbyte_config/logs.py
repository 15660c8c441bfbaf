"""The log of a job, as it grows. Only the local server has it: Airbyte's public API knows no logs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from airbyte_config import client, jobs
from airbyte_config.client import talking
from foundation.errors import EltError
from foundation.settings import Settings
from foundation.settings import settings as current_settings

PAUSE_SECONDS = 0.5


def read(job_id: int, *, follow: bool = False, settings: Settings | None = None) -> Iterator[str]:
    """The log's text in pieces; with `follow`, until the job has ended. Raises EltError."""
    settings = settings or current_settings()
    api = client.sdk(settings)
    doing = f"reading the log of job {job_id}"
    with _Reader(job_id, doing, settings) as reader:
        while True:
            # looked at before the log is read: what an ended job has written is all there
            job = jobs.known(api, job_id, doing, settings)
            if text := reader.more():
                yield text
            if not (follow and job.active):
                return
            time.sleep(PAUSE_SECONDS)


class _Reader:
    """Asks for what is new in a log, with a token of its own: the SDK has no such operation."""

    def __init__(self, job_id: int, doing: str, settings: Settings) -> None:
        self._path, self._doing, self._settings = f"jobs/{job_id}/logs", doing, settings
        self._offset = 0
        self._token = ""
        self._http = client.http_client(settings)

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def more(self) -> str:
        self._token = self._token or client.token(self._http, self._doing, self._settings)
        answer = self._ask()
        if answer.status_code == 401:  # it has ended meanwhile
            self._token = client.token(self._http, self._doing, self._settings)
            answer = self._ask()
        if answer.status_code in (404, 405):
            raise EltError(
                f"{self._doing}: this Airbyte shows no logs in its public API",
                "see the job in Airbyte's own interface",
            )
        client.check(answer, self._doing)
        self._offset += len(answer.content)
        return answer.content.decode(errors="replace")

    def _ask(self) -> httpx.Response:
        with talking(self._doing, self._settings):
            return self._http.get(
                self._path,
                params={"offset": self._offset},
                headers={"Authorization": f"Bearer {self._token}"},
            )
