"""What several tests of this folder begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airbyte_local.store import Store
from airbyte_local.vault import Vault


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store of the server, closed at the end."""
    opened = Store(tmp_path / "airbyte.sqlite", Vault(Fernet.generate_key().decode()))
    yield opened
    opened.close()
