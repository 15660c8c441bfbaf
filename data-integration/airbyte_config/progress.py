"""What a person sees of a job that runs: a table that renews itself on a terminal, elsewhere a line per stream."""

from __future__ import annotations

import time

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from airbyte_config.jobs import Job, Stream

PLAIN_SECONDS = 5.0  # between two lines about the whole job where no terminal is
FRAME = 4  # lines of the screen that are not streams
ORDER = {"failed": 0, "running": 1, "complete": 2}  # what is shown where there is not room for all
MARKS = {"running": "[cyan]running[/]", "complete": "[green]complete[/]", "failed": "[red]failed[/]"}


class Progress:
    """Shows a job after every look at it. Streams appear if Airbyte tells of them: a real one does not."""

    def __init__(self, connection: str, job_type: str, console: Console | None = None) -> None:
        self._what = f"{job_type} of {connection}"
        self._connection = connection
        self._console = console or Console()
        self._live: Live | None = None
        self._next = 0.0
        self._job_id: int | None = None
        self._told: set[str] = set()

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(Text(f"{self._what}: starting"), console=self._console, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._live.stop()
            self._live = None

    def show(self, job: Job, adopted: bool) -> None:
        line = f"{job.type} job {job.id} of {self._connection}: {job.status.value}, {job.progress()}"
        first, self._job_id = self._job_id is None, job.id
        if first and adopted:
            click.echo(f"{job.type} job {job.id} of {self._connection} runs already: following it")
        if self._live and job.active:
            self._live.update(self._screen(line, job))
            return
        on_terminal = self._live is not None
        self.stop()
        if not on_terminal:
            self._tell_streams(job)
        if not job.active:
            click.echo(line)
        elif first or time.monotonic() >= self._next:
            click.echo(line)
            self._next = time.monotonic() + PLAIN_SECONDS

    def _tell_streams(self, job: Job) -> None:
        """A line for each stream that has ended since the last look."""
        for stream in job.streams:
            if stream.status in ("complete", "failed") and stream.name not in self._told:
                self._told.add(stream.name)
                click.echo(plain(stream))

    def _screen(self, line: str, job: Job) -> RenderableType:
        if not job.streams:
            return Text(line)
        room = max(self._console.height - FRAME, 3)
        ranked = sorted(job.streams, key=lambda stream: ORDER.get(stream.status, len(ORDER)))
        shown = [stream for stream in job.streams if stream in ranked[:room]]
        done = sum(stream.status == "complete" for stream in job.streams)
        return Group(Text(line), table(shown), f"{done} of {len(job.streams)} streams complete")


def plain(stream: Stream) -> str:
    """`  sales.store: complete, 701 rows, 0.2 MB, 35,050 rows/s`"""
    rate = f", {stream.rate()} rows/s" if stream.rate() else ""
    reason = f": {stream.reason}" if stream.reason else ""
    return (
        f"  {stream.name}: {stream.status}, {stream.rows:,} rows, {stream.bytes / 1e6:,.1f} MB{rate}{reason}"
    )


def table(streams: list[Stream]) -> Table:
    """Streams with what they have read so far."""
    shown = Table("stream", "status", box=None)
    for heading in ("rows", "rows/s", "MB"):
        shown.add_column(heading, justify="right")
    for stream in streams:
        status = MARKS.get(stream.status, stream.status)
        size = f"{stream.bytes / 1e6:,.1f}" if stream.bytes else ""
        shown.add_row(
            escape(stream.name), status, f"{stream.rows:,}" if stream.rows else "", stream.rate(), size
        )
    return shown
