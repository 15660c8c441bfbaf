"""`python -m airbyte_local.job`: one job, started by the server.

The task comes as a line of JSON on standard input, which then stays open: its end means that the server is gone, and the
job ends at once. Nothing is lost by that, because all of a sync is one transaction.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

from airbyte_local.enums import JobStatus
from airbyte_local.jobs.report import Report, log_to_stderr, redacted
from airbyte_local.masking import secret_values
from elt.errors import EltError

log = logging.getLogger(__name__)

STDIN, STDOUT = 0, 1
SERVER_GONE = 70


def read_task() -> dict:
    """The first line of standard input. Read without a buffer: the rest is the watcher's."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(STDIN, 1 << 16)
        if not part:
            sys.exit(SERVER_GONE)
        text += part
    return json.loads(text)


def end_with_server() -> None:
    """Wait for the end of standard input, then end the process, whatever it does."""
    while os.read(STDIN, 1):
        pass
    os._exit(SERVER_GONE)


def main() -> None:
    task = read_task()
    threading.Thread(target=end_with_server, daemon=True).start()
    secrets = secret_values([task["source"], task["destination"]])
    log_to_stderr(secrets)
    log.info("job %s: sync of connection %s", task["jobId"], task["connectionName"])
    report = Report(STDOUT)
    try:
        from airbyte_local.sync import (
            run,
        )  # within the try: a broken installation is a failed job, with its reason

        run(task, report)
    except EltError as error:
        reason = redacted(str(error), secrets)
        log.error("failed: %s", reason)
    except Exception as error:
        log.exception("failed")
        reason = redacted(f"unexpected {type(error).__name__}: {error}", secrets)
    else:
        report.ended(JobStatus.SUCCEEDED)
        return
    report.ended(JobStatus.FAILED, reason)
    sys.exit(1)


if __name__ == "__main__":
    main()
