"""PyAirbyte: a Python connector (source_order_lines.py) into its DuckDB cache, merged by primary key. Imports aside."""

import json
import sys
import time
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache
from airbyte.strategies import WriteStrategy

task = json.load(sys.stdin)
connector = Path(task["folder"]) / "source-order-lines"
script = Path(__file__).with_name("source_order_lines.py")
connector.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
connector.chmod(0o755)

started = time.monotonic()
source = airbyte.get_source("source-order-lines", local_executable=connector, config=task)
source.select_all_streams()
cache = DuckDBCache(db_path=task["warehouse"], schema_name="copied", cache_dir=f"{task['folder']}/cache")
source.read(cache=cache, write_strategy=WriteStrategy.MERGE)
print(json.dumps({"seconds": time.monotonic() - started, "table": f"copied.{task['table']}"}))
