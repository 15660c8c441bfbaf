"""The limits of our servers, each tried just above and just below on a server that answers in this process."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from contextlib import contextmanager
from threading import Thread

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from foundation.limits import http
from foundation.limits.brake import FREE, FREE_OF_ADDRESS, LONGEST_SECONDS, Brake
from foundation.limits.http import HEADER_BYTES, configured
from foundation.limits.instance import INSTANCE, instance
from foundation.limits.rate import Bucket
from foundation.limits.requests import STRANGERS_BODY, Limited, bearer
from foundation.listening import listen
from tests.fixtures.waiting import wait_until


async def echo(request):
    return PlainTextResponse(str(len(await request.body())))


async def origin(request):
    return PlainTextResponse(request.client.host)


async def slow(request):
    await asyncio.sleep(0.5)
    return PlainTextResponse("done")


def broken(request):
    raise RuntimeError("broken")


@contextmanager
def served(**limits):
    app = Starlette(
        routes=[
            Route("/echo", echo, methods=["GET", "POST"]),
            Route("/slow", slow),
            Route("/origin", origin),
            Route("/broken", broken),
        ]
    )
    listener = listen("127.0.0.1", 0, "PORT", "a test")
    server = uvicorn.Server(configured(Limited(app, **limits)))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 10)
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def client():
    def admitted(scope):
        return dict(scope["headers"]).get(b"authorization") == b"known"

    with served(body=200_000, admitted=admitted, instance="this one", body_seconds=0.5) as client:
        yield client


def exchange(client, *parts, pause=0.0):
    """Send bytes as they are; all that comes back until the server closes."""
    with socket.create_connection((client.base_url.host, client.base_url.port), 10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_stranger_may_send_less_than_who_is_known(client):
    assert client.post("/echo", content=b"x" * STRANGERS_BODY).text == str(STRANGERS_BODY)
    refused = client.post("/echo", content=b"x" * (STRANGERS_BODY + 1))
    assert (refused.status_code, refused.headers["connection"]) == (413, "close")
    assert "more than 65536 bytes" in refused.text
    known = {"authorization": "known"}
    assert client.post("/echo", content=b"x" * 200_000, headers=known).text == "200000"
    assert client.post("/echo", content=b"x" * 200_001, headers=known).status_code == 413


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_body_without_a_length_is_measured_while_it_comes(client):
    def parts(size):
        yield from (b"x" * 1000 for _ in range(size // 1000))

    assert client.post("/echo", content=parts(60_000)).text == "60000"
    assert client.post("/echo", content=parts(80_000)).status_code == 413


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_body_that_does_not_come_is_not_waited_for(client):
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    answer = exchange(client, head, b"half")
    assert answer.startswith("HTTP/1.1 408") and "connection: close" in answer.lower()


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_header_has_its_size_and_its_time(client, monkeypatch):
    line = b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Large: "
    assert "HTTP/1.1 400" in exchange(client, line + b"x" * HEADER_BYTES)
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.2)
    assert exchange(client) == ""  # a connection that says nothing
    assert exchange(client, line, pause=0.05) == ""  # and one that begins and does not end
    whole = line + b"small\r\n\r\n"
    assert exchange(client, whole, line, pause=0.05).count("HTTP/1.1 200") == 1  # a second request, too


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_only_so_many_requests_are_answered_at_once():
    with served(at_once=2) as client:
        answers = []
        threads = [Thread(target=lambda: answers.append(client.get("/slow").status_code)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 200, 503, 503]
        assert client.get("/echo").status_code == 200


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_only_so_many_requests_are_taken_in_a_while():
    with served(bucket=Bucket(calls=60, at_once=3)) as client:
        answers = [client.get("/echo") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "1"


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_strangers_keep_nobody_out_who_is_known():
    def admitted(scope):
        return bearer(scope) == "known"

    known = {"authorization": "Bearer known"}
    with served(bucket=Bucket(calls=60, at_once=2), admitted=admitted) as client:
        assert [client.get("/echo").status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/echo", headers=known).status_code == 200
    with served(at_once=1, admitted=admitted) as client:
        slow = Thread(target=lambda: client.get("/slow"))
        slow.start()
        wait_until(lambda: client.get("/echo").status_code == 503, 10)
        assert client.get("/echo", headers=known).status_code == 200
        slow.join()


@pytest.mark.threat("a request that makes a server fail")
def test_after_an_error_of_ours_the_connection_ends_and_says_so(client, caplog):
    with caplog.at_level(logging.ERROR):
        answer = exchange(client, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 500") and "connection: close" in answer.lower()
    assert client.get("/echo").status_code == 200
    assert "RuntimeError: broken" in caplog.text


def test_every_answer_names_the_instance(client, tmp_path):
    assert client.get("/echo").headers[INSTANCE] == "this one"
    assert client.get("/nowhere").headers[INSTANCE] == "this one"
    assert instance(tmp_path, "sink") != instance(tmp_path / "other", "sink") != instance(tmp_path, "web")


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.mark.threat("guesses of a password")
def test_a_guesser_waits_longer_each_time(clock, caplog):
    brake = Brake("a server", clock)
    waits = []
    with caplog.at_level(logging.WARNING):
        for _ in range(FREE + 8):
            brake.tried("10.0.0.1", "anna", right=False)
            waits.append(brake.wait("10.0.0.1", "anna"))
            clock.now += waits[-1] + 0.1
            assert brake.wait("10.0.0.1", "anna") == 0
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits[FREE - 1 :] == [
        1.0,
        2.0,
        4.0,
        8.0,
        16.0,
        32.0,
        LONGEST_SECONDS,
        LONGEST_SECONDS,
        LONGEST_SECONDS,
    ]
    assert (
        "a server: wrong password again, user 'anna' from 10.0.0.1: the next try has to wait 60 s"
        in caplog.text
    )


@pytest.mark.threat("guesses of a password")
def test_a_guesser_stops_neither_other_users_nor_other_addresses(clock):
    brake = Brake("a server", clock)
    for _ in range(FREE):
        brake.tried("10.0.0.1", "anna", right=False)
    assert brake.wait("10.0.0.1", "anna") > 0
    assert brake.wait("10.0.0.2", "anna") == brake.wait("10.0.0.1", "bert") == 0
    for number in range(FREE_OF_ADDRESS):
        brake.tried("10.0.0.3", f"user {number}", right=False)
    assert brake.wait("10.0.0.3", "a new one") > 0


@pytest.mark.threat("guesses of a password")
def test_a_guesser_does_not_choose_the_address(client, clock):
    said = {"x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1", "forwarded": "for=10.0.0.1"}
    assert client.get("/origin", headers=said).text == "127.0.0.1"
    brake = Brake("a server", clock)
    for number in range(FREE):
        brake.tried(f"127.0.0.{number + 2}", "anna", right=False)
        brake.tried(f"2001:db8::{number}", "anna", right=False)
    assert (
        brake.wait("127.0.0.1", "anna")
        and brake.wait("::1", "anna")
        and brake.wait("::ffff:127.9.9.9", "anna")
    )
    assert brake.wait("2001:db8::ffff", "anna") and not brake.wait("2001:db8:1::", "anna")


@pytest.mark.threat("guesses of a password")
def test_a_name_in_another_case_is_no_other_user(clock):
    brake = Brake("a server", clock)
    for name in ("anna", "Anna", "ANNA", " anna ", "aNNa"):
        brake.tried("10.0.0.1", name, right=False)
    assert brake.wait("10.0.0.1", "annA")


def test_a_right_password_and_time_make_wrong_ones_forgotten(clock):
    brake = Brake("a server", clock)
    for _ in range(FREE - 1):
        brake.tried("10.0.0.1", "anna", right=False)
    brake.tried("10.0.0.1", "anna", right=True)
    brake.tried("10.0.0.1", "anna", right=False)
    assert brake.wait("10.0.0.1", "anna") == 0
    for _ in range(FREE):
        brake.tried("10.0.0.1", "anna", right=False)
    clock.now += 1000
    brake.tried("10.0.0.1", "anna", right=False)
    assert brake.wait("10.0.0.1", "anna") == 0


def test_the_brake_forgets_the_oldest_of_many(clock):
    brake = Brake("a server", clock)
    for number in range(11_000):
        brake.tried(f"10.{number}", "anna", right=False)
    assert len(brake._tries) <= 10_000


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"name": "\\ud800"}', 422, "name: holds half of a surrogate pair"),
        (b'{"streams": [{"name": "a\\u0000b"}]}', 422, "streams[0].name: holds a NUL character"),
        (b'{"\\udc00": 1}', 422, "holds half of a surrogate pair"),
        (b"[" * 100_000, 400, "nested deeper than 64 levels"),
        (b"[" * 66 + b"]" * 66, 400, "nested deeper than 64 levels"),
        (b'{"size": NaN}', 400, "NaN is no number there"),
        (b'{"size": 1e999}', 422, "size: is a number too large"),
        (b"1" * 5000, 400, "the body is not JSON"),
    ],
)
@pytest.mark.threat("a request that makes a server fail")
def test_json_that_nobody_could_keep_is_refused_with_its_field(body, status, said):
    from airbyte_local.api.bodies import check
    from airbyte_local.api.problems import Problem

    with pytest.raises(Problem) as refused:
        check(body)
    assert refused.value.status == status and said in refused.value.detail


def test_json_that_is_unusual_but_good_passes():
    from airbyte_local.api.bodies import check

    for value in ("\U0001f600", {"configuration": {"delimiter": "\0"}}, [[[[1.5e300]]]], "ü" * 10_000):
        check(json.dumps(value).encode())
