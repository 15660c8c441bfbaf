"""What the exporter shows of Airbyte is what its jobs have done."""

from __future__ import annotations

import time

from airbyte_config import client
from airbyte_config.jobs import recent, sync
from exporter import airbyte as exported
from tests.integration.airbyte_config.conftest import Chain

NAME = "adventureworks"


def shown(chain: Chain) -> dict[tuple[str, ...], float]:
    return {(name, *labels): value for name, labels, value in exported.look(chain.settings)}


def test_jobs_are_counted_and_the_last_success_has_its_rows(chain: Chain) -> None:
    before = shown(chain)
    assert before == {("elt_airbyte_running_seconds", NAME): 0.0}
    job = sync(settings=chain.settings)
    api = client.sdk(chain.settings)
    [listed] = recent(api, workspace_id=client.workspace(api, chain.settings), settings=chain.settings)
    assert listed.id == job.id and job.rows > 1000
    after = shown(chain)
    assert after["elt_airbyte_recent_jobs", NAME, "succeeded"] == 1
    assert after["elt_airbyte_running_seconds", NAME] == 0
    assert after["elt_airbyte_last_success_rows", NAME] == job.rows
    assert abs(after["elt_airbyte_last_success_timestamp_seconds", NAME] - time.time()) < 60
    assert after["elt_airbyte_last_success_duration_seconds", NAME] == listed.seconds
    assert not any("failure" in name for name, *_ in after)
