#!/usr/bin/env bash
# airbyte-source-s3 4.14.2 (airbyte-cdk 6.61): of a file of JSON lines, all lines after a broken one are lost, and the sync succeeds.
#
# A file has five lines; the second was cut off. The parser takes it for the beginning of an object over several lines and adds line after line to it,
# which never becomes JSON; at the end of the file it only complains if it had found no object at all. The read ends with exit code 0, one record, a
# stream that is COMPLETE, and a state that says that the file was read. The remedy is the format `csv` with one column, and a delimiter and a quote
# that no JSON has in it: {"delimiter": "\u0001", "quote_char": "\u0002", "header_definition": {"header_definition_type": "User Provided",
# "column_names": ["line"]}}.
# Exit code 0 while that is so. Python 3.11.
set -euo pipefail
cd "$(mktemp -d)"
trap 'kill "$server" 2>/dev/null || true; rm -rf "$PWD"' EXIT
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check airbyte-source-s3==4.14.2 'moto[server]'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >server.log 2>&1 & server=$!
venv/bin/python - "$port" <<'PY'
import sys, time
import boto3

s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
for _ in range(100):
    try:
        s3.create_bucket(Bucket="drops")
        break
    except Exception:
        time.sleep(0.1)
s3.put_object(Bucket="drops", Key="one.jsonl", Body=b'{"id": 1}\n{"id": 2\n{"id": 3}\n{"id": 4}\n{"id": 5}\n')
PY
cat > config.json <<JSON
{"bucket": "drops", "endpoint": "http://127.0.0.1:$port", "region_name": "us-east-1",
 "aws_access_key_id": "a", "aws_secret_access_key": "b",
 "streams": [{"name": "items", "globs": ["*.jsonl"], "format": {"filetype": "jsonl"}, "validation_policy": "Emit Record"}]}
JSON
cat > catalog.json <<'JSON'
{"streams": [{"stream": {"name": "items", "supported_sync_modes": ["full_refresh", "incremental"],
  "json_schema": {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}}},
 "sync_mode": "incremental", "cursor_field": ["_ab_source_file_last_modified"], "destination_sync_mode": "append"}]}
JSON
venv/bin/source-s3 read --config config.json --catalog catalog.json > messages
grep '"RECORD"' messages
test "$(grep -c '"RECORD"' messages)" = 1
grep -q '"COMPLETE"' messages
