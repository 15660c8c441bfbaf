"""A broker for the tests that leave it running, and one of its own for each that does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.stream import Broker, Registry, broker, environ_of, registry, use_clients

use_clients()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """It runs, and goes on running."""
    with broker(tmp_path_factory.mktemp("stream") / "elt home") as made:
        made.start()
        yield made


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """It is not started, and a test may do to it what it likes."""
    with broker(tmp_path / "elt home") as made:
        yield made


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It runs, and goes on running."""
    home = tmp_path_factory.mktemp("registry") / "elt home"
    with registry(environ_of(home), home) as made:
        yield made


@pytest.fixture
def schemas(registry_server: Registry) -> Registry:
    """A registry that knows no schema yet."""
    registry_server.forget()
    return registry_server
