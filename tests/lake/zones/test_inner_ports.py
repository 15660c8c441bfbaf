"""The store's own parts let nobody in but each other: who can reach their ports has no key of the store."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import httpx
import pytest

from airbyte_local.destinations.lake.store import Store
from stack.lake import INNER
from tests.fixtures.lake import Lake

HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # what a gRPC client says first
KEY = "drops/a.jsonl"


def port(lake: Lake, name: str) -> int:
    return lake.config.lake_inner_port + INNER.index(name)


@pytest.mark.threat("another user of the machine")
def test_nobody_reads_writes_or_deletes_past_the_stores_login(lake: Lake) -> None:
    store = Store(lake.place)
    store.put(KEY, b"the only copy")
    bucket, path = f"/buckets/{lake.place.bucket}", f"/buckets/{lake.place.bucket}/{lake.place.folder}/{KEY}"
    tried = {
        "filer": [
            ("GET", "/"),
            ("GET", f"{bucket}/"),
            ("GET", path),
            ("PUT", path),
            ("DELETE", path),
            ("DELETE", f"{bucket}/?recursive=true"),
            ("POST", f"{bucket}/other?mv.from={path}"),
        ],
        "master": [
            ("GET", "/dir/assign"),  # with which anybody could write
            ("GET", "/dir/lookup?volumeId=1"),
            ("GET", "/dir/status"),
            ("POST", "/submit"),
            ("GET", "/vol/grow?count=1"),
            ("GET", f"/col/delete?collection={lake.place.bucket}"),
        ],
        "volume": [("GET", "/1,01abcdef01"), ("POST", "/1,01abcdef01"), ("DELETE", "/1,01abcdef01")],
    }
    for part, requests in tried.items():
        for method, route in requests:
            answer = httpx.request(method, f"http://127.0.0.1:{port(lake, part)}{route}", content=b"other")
            assert answer.status_code in (401, 404), f"{part}: {method} {route}: {answer.status_code}"
            assert "authorization" not in answer.headers
    assert store.get(KEY) == b"the only copy"


@pytest.mark.threat("another user of the machine")
@pytest.mark.parametrize("part", [name for name in INNER if name.endswith(".grpc")])
def test_nobody_calls_a_part_of_the_store_without_its_certificate(lake: Lake, part: str) -> None:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2"])
    for wrapped in (False, True):
        heard = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port(lake, part)), 10) as plain:
            talk = anybody.wrap_socket(plain) if wrapped else plain
            talk.sendall(HTTP2)
            heard = talk.recv(100)
        assert (
            heard[3:4] != b"\4"
        ), f"{part} answers whoever calls (TLS: {wrapped})"  # its settings: it would go on
