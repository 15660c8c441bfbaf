#!/usr/bin/env bash
# DuckDB 1.5.6: a temporary table that a transaction makes, fills and drops keeps its memory until the transaction ends, and that
# memory cannot go to disk. 200 tables of 60 texts and two rows, one after the other, hold 400 MB, none of them there any more.
#
# Output seen:
#   200 tables dropped in a transaction:  418 MB
#   after the commit:                     0 MB
#   200 tables dropped without one:       0 MB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

connection = duckdb.connect(config={"threads": "1"})
columns = ", ".join(f"'a text' as c{n}" for n in range(60))


def drop_many() -> None:
    for _ in range(200):
        connection.execute(f"create temp table staged as select {columns} from range(2)")
        connection.execute("drop table staged")


def held() -> int:
    return round(connection.execute("select sum(memory_usage_bytes) / 1e6 from duckdb_memory()").fetchone()[0])


connection.execute("begin")
drop_many()
inside = held()
print(f"200 tables dropped in a transaction:  {inside} MB")
connection.execute("commit")
after = held()
print(f"after the commit:                     {after} MB")
drop_many()
without = held()
print(f"200 tables dropped without one:       {without} MB")
assert inside > 300, inside
assert after < 10 and without < 10, (after, without)
PYTHON
