#!/usr/bin/env bash
# airbyte-cdk 7.39.1: a declarative connector rounds the numbers of a JSON answer before it writes its records.
#
# An API answers {"amount": 12345678901234567.89, "rate": 1.10}. The manifest declares `amount` as a string, so that no digit is lost. The record
# has 1.2345678901234568e+16 all the same, as a number, and nothing in it says so: the CDK reads answers with Python's floats.
# Exit code 0 while that is so.
set -euo pipefail
cd "$(mktemp -d)"
trap 'kill "$server" 2>/dev/null || true; rm -rf "$PWD"' EXIT
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check airbyte-cdk==7.39.1

cat > server.py <<'PY'
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'[{"id": 1, "amount": 12345678901234567.89, "rate": 1.10}]'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
PY
venv/bin/python server.py & server=$!
while [ ! -s port ]; do sleep 0.1; done

cat > config.json <<JSON
{"__injected_declarative_manifest": {"version": "6.0.0", "type": "DeclarativeSource",
 "check": {"type": "CheckStream", "stream_names": ["items"]},
 "streams": [{"type": "DeclarativeStream", "name": "items", "primary_key": ["id"],
  "retriever": {"type": "SimpleRetriever",
   "requester": {"type": "HttpRequester", "url_base": "http://127.0.0.1:$(cat port)", "path": "/items", "http_method": "GET"},
   "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}},
  "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {
   "id": {"type": "integer"}, "amount": {"type": "string"}, "rate": {"type": "string"}}}}}],
 "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}}}}
JSON
cat > catalog.json <<'JSON'
{"streams": [{"stream": {"name": "items", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
 "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
JSON
venv/bin/source-declarative-manifest read --config config.json --catalog catalog.json | grep '"RECORD"' | tee records
grep -q '"amount":1.2345678901234568e+16,"rate":1.1' records
