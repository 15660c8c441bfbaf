"""Airflow's API server, started as the stack starts it, takes no header without end from a stranger."""

from __future__ import annotations

import importlib
import socket
from threading import Thread
from types import SimpleNamespace

import pytest
import uvicorn
from airflow.cli.commands import api_server_command
from starlette.responses import PlainTextResponse
from uvicorn.config import HTTP_PROTOCOLS

from foundation.limits import http
from foundation.limits.http import HEADER_BYTES
from foundation.listening import listen
from stack.airflow import PROGRAMS
from tests.fixtures.waiting import wait_until


@pytest.fixture
def port(monkeypatch):
    """A server with the arguments that Airflow's command gives uvicorn, in the program that the stack runs."""
    given = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **named: given.update(named))
    monkeypatch.setattr("setproctitle.setproctitle", lambda title: None)
    plain = dict.fromkeys(("ssl_cert", "ssl_key", "ssl_ca_file", "ssl_cert_reqs", "log_config"))
    arguments = SimpleNamespace(host="127.0.0.1", port=0, **plain)
    api_server_command._run_api_server_with_uvicorn(arguments, "all", 1, 5, False)
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    importlib.reload(importlib.import_module(PROGRAMS["airflow-api-server"][2]))
    listener = listen("127.0.0.1", 0, "PORT", "a test")
    server = uvicorn.Server(uvicorn.Config(PlainTextResponse("ok"), **given))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 10)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def answer(port, header):
    """All that comes back until the server closes. Raises TimeoutError where it waits for more."""
    with socket.create_connection(("127.0.0.1", port), 3) as connection:
        connection.sendall(header)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_header_has_its_size_and_its_time_at_airflow_too(port, monkeypatch):
    begun = b"GET / HTTP/1.1\r\nHost: x\r\n"
    assert answer(port, begun + b"Connection: close\r\n\r\n").endswith(b"ok")
    assert b"HTTP/1.1 400" in answer(port, begun + b"X-Large: " + b"x" * HEADER_BYTES)
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.2)
    assert answer(port, begun) == b""
