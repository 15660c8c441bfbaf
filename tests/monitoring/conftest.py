"""Prometheus and Alertmanager, as the machine has them. Where they are missing these tests fail, with the remedy: none is skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stack.monitoring import BINARIES, binary
from tests.fixtures.stack import Stack


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    for name in BINARIES:
        binary(name)  # raises EltError


@pytest.fixture(scope="session")
def written(make_stack: Callable[..., Stack]) -> Stack:
    """A stack, not started, whose configurations are there."""
    from stack.monitoring import write

    stack = make_stack("monitoring files", MONITORING="on", ELT_ENVIRONMENT='a "name": {{ with }} all')
    write(stack.settings)
    return stack
