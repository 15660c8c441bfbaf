#!/usr/bin/env bash
# DuckDB 1.5.6: read_parquet answers with the old rows of a local file that was rewritten in place, where size and time of change are the same
# (two writes within one tick of the file system's clock, or a copy that keeps the time). enable_external_file_cache is on by
# default for local files, too; validate_external_file_cache is VALIDATE_ALL and compares no more than that. A file that was
# renamed into place is read anew.
#
# Output seen:
#   rewritten in place:  1 (the file has 2)
#   renamed into place:  2
#   without the cache:   2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import shutil

import duckdb


def write(value: int, path: str) -> None:
    duckdb.connect().execute(f"copy (select {value} as v) to '{path}' (format parquet)")
    os.utime(path, (1_700_000_000, 1_700_000_000))


def second_answer(rewrite, cached: bool = True) -> int:
    reader = duckdb.connect()
    reader.execute(f"set enable_external_file_cache = {str(cached).lower()}")
    write(1, "a.parquet")
    write(2, "new.parquet")
    assert os.path.getsize("a.parquet") == os.path.getsize("new.parquet")
    assert reader.execute("select max(v) from 'a.parquet'").fetchone() == (1,)
    rewrite("new.parquet", "a.parquet")
    (answer,) = reader.execute("select max(v) from 'a.parquet'").fetchone()
    assert duckdb.connect().execute("select max(v) from 'a.parquet'").fetchone() == (2,)
    return answer


found = [second_answer(shutil.copy2), second_answer(os.replace), second_answer(shutil.copy2, cached=False)]
print(f"rewritten in place:  {found[0]} (the file has 2)")
print(f"renamed into place:  {found[1]}")
print(f"without the cache:   {found[2]}")
assert found == [1, 2, 2], found
PYTHON
