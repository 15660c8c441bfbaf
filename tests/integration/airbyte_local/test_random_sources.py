"""The random histories of a source (`tests/faults/sources.py`), a few steps of them: they run, and they see a difference."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
import pytest

from tests.faults.sources import History
from tests.fixtures.source import SourceServer

pytestmark = pytest.mark.slow


def test_a_history_ends_without_a_difference_and_one_that_is_made_is_seen(
    source_server: SourceServer, tmp_path: Path
) -> None:
    told: Counter[str] = Counter()
    history = History(source_server, tmp_path, 3, told)
    try:
        assert history.run(3) == []
        assert told["syncs"] >= 2
        history.engine.write("delete from shop.two", history.insert(history.tables[1]))
        assert history.sync() == []
        with duckdb.connect(history.engine.warehouse) as warehouse:
            warehouse.execute("delete from raw_shop.two where _ab_cdc_deleted_at is null")
        (line,) = [result.line() for result in history.compared(history.engine) if not result.equal]
        assert line.startswith("shop.two: DIFFERS")
    finally:
        history.close()
