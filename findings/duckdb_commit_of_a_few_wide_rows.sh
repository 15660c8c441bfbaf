#!/usr/bin/env bash
# DuckDB 1.5.6: committing five rows of 1,200 integers (24 KB) into a table that has rows takes a block of 256 KB for each column,
# all of them at once: with a limit of 300 MB the commit fails. The same rows are committed in a new table, which needs none.
#
# Output seen:
#   into a new table:             committed
#   into one that has five rows:  OutOfMemory at the commit: could not allocate block of size 256.0 KiB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
"$folder/venv/bin/python" - "$folder/wide.duckdb" <<'PYTHON'
import re
import sys

import duckdb

connection = duckdb.connect(sys.argv[1], config={"memory_limit": "300MB", "threads": "1"})
rows = "select " + ", ".join(["i"] * 1_200) + " from range(5) as t(i)"
connection.execute("create table wide (" + ", ".join(f"c{n} integer" for n in range(1_200)) + ")")


def commit() -> str:
    connection.execute("begin")
    connection.execute(f"insert into wide {rows}")
    try:
        connection.execute("commit")
    except duckdb.Error as error:
        return re.search(r"could not allocate block of size [\d.]+ KiB", str(error))[0]
    return "committed"


new = commit()
connection.execute("checkpoint")
print(f"into a new table:             {new}")
old = commit()
print(f"into one that has five rows:  {old}")
assert new == "committed", new
assert old == "could not allocate block of size 256.0 KiB", old
PYTHON
