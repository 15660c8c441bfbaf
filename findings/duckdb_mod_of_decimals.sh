#!/usr/bin/env bash
# DuckDB 1.5.6: mod() of two decimals is exact while one type of 38 digits holds both, and silently a float when none does
# (decimal(38,8) and decimal(38,4)). `//` of decimals is a float always. Their sum and product stay decimals.
#
# Output seen:
#   same type:        mod is DECIMAL(38,8), 0.00000001
#   different scales: mod is DOUBLE, 0.0
#   whole quotient:   // is DOUBLE
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==1.5.6
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb

a = "cast(90071992547409920.00000001 as decimal(38, 8))"
same = duckdb.sql(f"select typeof(mod({a}, b)), mod({a}, b) from (select cast(10 as decimal(38, 8)) as b)").fetchone()
other = duckdb.sql(f"select typeof(mod({a}, b)), mod({a}, b) from (select cast(10 as decimal(38, 4)) as b)").fetchone()
whole = duckdb.sql(f"select typeof({a} // cast(10 as decimal(38, 8)))").fetchone()
print(f"same type:        mod is {same[0]}, {same[1]:f}")
print(f"different scales: mod is {other[0]}, {other[1]}")
print(f"whole quotient:   // is {whole[0]}")
assert (same[0], f"{same[1]:f}") == ("DECIMAL(38,8)", "0.00000001"), same
assert other == ("DOUBLE", 0.0), other
assert whole == ("DOUBLE",), whole
PYTHON
