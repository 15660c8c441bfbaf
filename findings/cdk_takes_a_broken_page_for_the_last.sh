#!/usr/bin/env bash
# airbyte-cdk 7.39.1: a declarative connector takes an answer that is no JSON for a page without records, and the sync succeeds.
#
# An API has three pages. Its second answer is a page of HTML with status 200, as a proxy in trouble sends it. The read ends after the first page
# with exit code 0 and a stream that is COMPLETE; the records of two pages are missing. A response filter that asks for such a page again is the
# remedy: {type: HttpResponseFilter, action: RETRY, predicate: "{{ 'data' not in response }}"}.
# Exit code 0 while that is so.
set -euo pipefail
cd "$(mktemp -d)"
trap 'kill "$server" 2>/dev/null || true; rm -rf "$PWD"' EXIT
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check airbyte-cdk==7.39.1

cat > server.py <<'PY'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
        body = b"<html>one moment</html>"
        if page != 2:
            body = json.dumps({"data": [{"id": page}], "next": page + 1 if page < 3 else None}).encode()
        self.send_response(200)
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
   "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}},
   "paginator": {"type": "DefaultPaginator",
    "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page"},
    "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.get('next') }}",
     "stop_condition": "{{ not response.get('next') }}"}}},
  "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {"id": {"type": "integer"}}}}}],
 "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}}}}
JSON
cat > catalog.json <<'JSON'
{"streams": [{"stream": {"name": "items", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
 "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
JSON
venv/bin/source-declarative-manifest read --config config.json --catalog catalog.json > messages
grep '"RECORD"' messages
test "$(grep -c '"RECORD"' messages)" = 1
grep -q '"COMPLETE"' messages
