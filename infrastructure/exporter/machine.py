"""The machine: programs under supervisord and their memory, disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psutil

from exporter.catalogue import Sample
from foundation.settings import Settings
from stack.memory import memory
from stack.supervision import supervised

RUNS = ("RUNNING", "STARTING")


def started(config: Settings) -> dict[str, dict[str, object]]:
    """What supervisord says of each program that somebody has started, whether it runs or not."""
    return {name: info for name, info in (supervised(config.home) or {}).items() if info["start"]}


def programs(config: Settings) -> Iterator[Sample]:
    """Of each program that somebody has started."""
    for name, info in started(config).items():
        yield "elt_program_up", (name,), float(info["statename"] in RUNS)
        yield "elt_program_start_timestamp_seconds", (name,), float(str(info["start"]))
    for name, taken in memory(config.home).items():
        yield "elt_program_memory_bytes", (name,), taken.bytes
        yield "elt_program_processes", (name,), taken.processes


def machine(config: Settings) -> Iterator[Sample]:
    """Memory, and the disks of ELT_HOME and of what is published."""
    found = psutil.virtual_memory()
    yield "elt_machine_memory_bytes", (), found.total
    yield "elt_machine_memory_available_bytes", (), found.available
    for label, folder in (("home", config.home), ("serving", config.serving_path.parent.parent)):
        if folder.exists():
            usage = shutil.disk_usage(folder)
            yield "elt_disk_bytes", (label,), usage.total
            yield "elt_disk_free_bytes", (label,), usage.free
