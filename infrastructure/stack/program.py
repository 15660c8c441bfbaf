"""A program of a part."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """A foreground process: its command, the port it takes and the variable that moves that port."""

    name: str
    command: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)
    stop_signal: str = "TERM"
