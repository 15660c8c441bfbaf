"""The sink answers as Slack and a mail server do, and keeps what it took."""

import asyncio
import contextlib
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage

import httpx
import pytest

from foundation.limits.brake import FREE
from foundation.limits.requests import STRANGERS_BODY
from stack.sink import MAILS, Messages, messages_file, serve
from tests.fixtures.sink import SinkServer
from tests.fixtures.small_disk import small_disk


def post(sink, body, token=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.post(f"{sink.url}/services/{token or sink.token}", content=content)
    return answer.status_code, answer.text


def test_a_message_is_taken_and_listed_with_its_time(sink):
    assert post(sink, {"text": "grüße"}) == (200, "ok")
    answer = httpx.get(f"{sink.url}/messages", headers={"Authorization": f"Bearer {sink.token}"})
    [message] = answer.json()["messages"]
    assert (message["channel"], message["text"]) == ("slack", "grüße")
    assert message["time"].endswith("Z")
    assert sink.token not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"not json", 400, "invalid_payload"),
        (b'{"text": "\\ud800"}', 400, "invalid_payload"),
        (b'{"text": "x", "a": NaN}', 400, "invalid_payload"),
        (b'{"text": "x", "a": 1e999}', 400, "invalid_payload"),
        (b"[" * 1_000 + b"]" * 1_000, 400, "invalid_payload"),
        (["a list"], 400, "invalid_payload"),
        ({"text": None, "blocks": [{"type": "divider"}]}, 200, "ok"),
        ({"text": ["no", "string"]}, 400, "invalid_payload"),
        ({}, 400, "no_text"),
        ({"text": ""}, 400, "no_text"),
        ({"text": "x" * 40_001}, 400, "msg_too_long"),
        ({"blocks": [{"type": "divider"}] * 50}, 200, "ok"),
        ({"blocks": [{"type": "divider"}] * 51}, 400, "invalid_blocks"),
        ({"blocks": [{"text": "no type"}]}, 400, "invalid_blocks"),
        ({"blocks": ["no block"]}, 400, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}]}, 200, "ok"),
        (
            {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]},
            400,
            "invalid_blocks",
        ),
        ({"blocks": [{"type": "section", "text": "bare"}]}, 400, "invalid_blocks"),
        ({"attachments": [{"text": "x"}] * 101}, 400, "too_many_attachments"),
        (b"x" * 1_048_577, 413, "request_too_large"),
    ],
)
def test_a_payload_is_judged_as_slack_does(shared_sink, body, status, text):
    before = len(shared_sink.messages)
    assert post(shared_sink, body) == (status, text)
    assert len(shared_sink.messages) - before == (1 if status == 200 else 0)


def test_a_wrong_token_is_refused_everywhere(shared_sink):
    sink, before = shared_sink, len(shared_sink.messages)
    assert post(sink, {"text": "x"}, token="T000/B000/wrong") == (403, "invalid_token")
    for path in ("/messages", "/"):
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !"}):
            assert httpx.get(sink.url + path, headers=header).status_code == 401
    assert len(sink.messages) == before


def test_the_page_shows_messages_as_text(shared_sink):
    post(shared_sink, {"text": "<script>alert(1)</script>"})
    page = httpx.get(shared_sink.url, auth=("anybody", shared_sink.token))
    assert page.status_code == 200
    assert "&lt;script&gt;" in page.text and "<script>" not in page.text


def test_the_page_shows_a_message_as_slack_does_and_an_email_as_a_mail_program(sink):
    post(sink, {"text": ":x: *the dag* failed in `sync` · local\n*Log:* http://127.0.0.1:8080/a?b=1&amp;c=2"})
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "airflow@localhost", "on-call@localhost", "[local] failed"
    mail.set_content(
        "<p onclick='x()'><b>failed</b></p><script>x()</script><table><tr><th>Log</th><td>"
        "<a href='http://127.0.0.1:8080/log'>the log</a> <a href='javascript:x()'>no</a></td></tr></table>",
        subtype="html",
    )
    with smtplib.SMTP("127.0.0.1", sink.settings.sink_smtp_port) as client:
        client.login("elt", sink.token)
        client.send_message(mail)

    def page(**filters):
        return httpx.get(sink.url, params=filters, auth=("anybody", sink.token)).text

    shown = page()
    assert "❌ <b>the dag</b> failed in <code>sync</code>" in shown
    assert '<a href="http://127.0.0.1:8080/a?b=1&amp;c=2" target=_blank' in shown
    assert "<p><b>failed</b></p><table><tr><th>Log</th>" in shown
    assert '<a href="http://127.0.0.1:8080/log"' in shown
    assert "x()" not in shown and "script" not in shown
    assert "the dag" not in page(channel="email") and "on-call@localhost" in page(channel="email")
    assert "the dag" in page(kind="problems") and "the dag" not in page(kind="digests")
    assert "the dag" in page(words="FAILED in") and "None." in page(words="nobody says this")


@pytest.mark.threat("a request that makes a server fail")
def test_a_mail_of_any_character_set_is_kept(shared_sink):
    with smtplib.SMTP("127.0.0.1", shared_sink.settings.sink_smtp_port) as client:
        client.login("elt", shared_sink.token)
        for charset, content, kept in (
            ("klingon", b"the source is down", "the source is down"),
            ("rot13", b"the source is down", "the source is down"),
            ("unicode_escape", b"\\ud800", "?"),
        ):
            mail = f"Subject: x\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode() + content
            assert client.sendmail("a@localhost", ["b@localhost"], mail) == {}, charset
            assert shared_sink.messages[-1]["text"].startswith(kept), charset
    answer = httpx.get(f"{shared_sink.url}/messages", auth=("elt", shared_sink.token))
    assert answer.json()["messages"][-1]["text"].startswith(kept)


@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_line_that_nobody_can_answer_with_costs_only_itself(sink):
    post(sink, {"text": "before"})
    with messages_file(sink.home).open("a") as file:
        file.write('{"time": "", "channel": "slack", "text": NaN}\n')
    post(sink, {"text": "after"})
    listing = httpx.get(f"{sink.url}/messages", auth=("elt", sink.token)).json()["messages"]
    assert [message["text"] for message in listing] == ["before", "after"]


@pytest.mark.threat("a full disk")
def test_a_record_that_grows_goes_aside(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("stack.sink.LARGEST_RECORD", 1_000)
    messages = Messages(tmp_path / "messages.jsonl")
    for number in range(30):
        messages.add("slack", text=f"{number:02}" * 50)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2 and max(sizes) < 1_400
    assert [message["text"][:2] for message in messages.last(3)] == ["27", "28", "29"]
    assert "older messages are in" in caplog.text


@pytest.mark.threat("a full disk")
def test_a_message_for_which_there_is_no_room_is_refused_and_leaves_nothing(tmp_path):
    with small_disk(tmp_path, 1):
        server = SinkServer(tmp_path)
        server.start()
        try:
            sent = 0
            while (answer := post(server, {"text": "x" * 40_000}))[0] == 200:
                sent += 1
            assert answer == (507, f"the disk is full at {tmp_path / 'sink'}: free some space there")
            with smtplib.SMTP("127.0.0.1", server.settings.sink_smtp_port) as client:
                client.login("elt", server.token)
                with pytest.raises(smtplib.SMTPDataError, match="the disk is full at"):
                    client.sendmail("a@localhost", ["b@localhost"], "\r\n".join(["x" * 900] * 40))
            assert len(server.messages) == sent  # each line whole
        finally:
            server.stop()


def test_the_listing_is_cut_to_its_newest(sink):
    for number in range(3):
        post(sink, {"text": str(number)})
    listing = httpx.get(f"{sink.url}/messages?limit=2", auth=("elt", sink.token)).json()["messages"]
    assert [message["text"] for message in listing] == ["1", "2"]
    assert httpx.get(f"{sink.url}/messages?limit=x", auth=("elt", sink.token)).status_code == 400
    assert httpx.get(f"{sink.url}/messages?limit={10**20}", auth=("elt", sink.token)).status_code == 200


def test_mail_needs_a_login_and_is_kept(shared_sink):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "airflow@localhost", "on-call@localhost", "sync failed"
    mail.set_content("the source is down")
    with smtplib.SMTP("127.0.0.1", shared_sink.settings.sink_smtp_port) as client:
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.send_message(mail)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("elt", "wrong")
    with smtplib.SMTP("127.0.0.1", shared_sink.settings.sink_smtp_port) as client:
        client.login("elt", shared_sink.token)
        client.send_message(mail)
    message = shared_sink.messages[-1]
    assert message["channel"] == "email"
    assert message["subject"] == "sync failed"
    assert message["text"] == "the source is down"
    assert message["recipients"] == ["on-call@localhost"]


def test_what_was_answered_ok_survives_a_kill_and_a_torn_line_costs_only_itself(sink):
    assert post(sink, {"text": "before"}) == (200, "ok")
    os.kill(sink.process.pid, signal.SIGKILL)
    sink.process.wait()
    record = sink.home / "sink" / "messages.jsonl"
    with record.open("a") as file:
        file.write('{"time": "torn')
    sink.start()
    assert post(sink, {"text": "after"}) == (200, "ok")
    listing = httpx.get(f"{sink.url}/messages", auth=("elt", sink.token)).json()["messages"]
    assert [message["text"] for message in listing] == ["before", "after"]


def test_a_taken_port_is_one_line_that_names_the_variable(shared_sink):
    second = subprocess.run(
        [sys.executable, "-m", "stack.sink"],
        env=shared_sink.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert str(shared_sink.settings.sink_port) in second.stderr and "SINK_PORT" in second.stderr


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_stranger_sends_little_on_every_route(shared_sink):
    for path in ("/services/wrong", "/messages", "/health", "/"):
        answer = httpx.request("POST", f"{shared_sink.url}{path}", content=b"x" * (STRANGERS_BODY + 1))
        assert answer.status_code == 413, path


@pytest.mark.threat("guesses of a password")
def test_a_guesser_of_the_token_waits_and_keeps_no_program_out(sink):
    def ask(token):
        return httpx.get(f"{sink.url}/messages", headers={"Authorization": f"Bearer {token}"})

    assert [ask("wrong").status_code for _ in range(FREE + 1)] == [401] * FREE + [429]
    assert ask(sink.token).status_code == 200
    guesses = [post(sink, {"text": "x"}, token="T000/B000/wrong")[0] for _ in range(FREE + 1)]
    assert guesses == [403] * FREE + [429]
    assert post(sink, {"text": "an alert"}) == (200, "ok")


@pytest.mark.threat("guesses of a password")
def test_a_guesser_of_the_mail_password_waits_and_keeps_no_alert_out(sink):
    def login(password):
        with smtplib.SMTP("127.0.0.1", sink.settings.sink_smtp_port, timeout=10) as server:
            try:
                return server.login("elt", password)[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code

    codes = [login("wrong") for _ in range(FREE)]
    assert 235 not in codes and login("wrong") == 454
    assert login(sink.token) == 235


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_only_so_many_mail_connections_are_taken(sink):
    address = ("127.0.0.1", sink.settings.sink_smtp_port)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(MAILS + 1)]
        greetings = [connection.recv(100)[:3] for connection in opened]
    assert greetings.count(b"220") == MAILS and greetings.count(b"421") == 1
    with smtplib.SMTP(*address, timeout=10) as server:
        assert server.noop()[0] == 250


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_mail_connection_does_not_stay_without_a_login(tmp_path, monkeypatch):
    monkeypatch.setattr("stack.sink.LOGIN_SECONDS", 0.3)

    async def talk():
        config = SinkServer(tmp_path).settings
        serving = asyncio.create_task(serve(config))
        while serving.done() is False:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", config.sink_smtp_port)
                break
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while await reader.readline():
                    await asyncio.sleep(0.05)
                    writer.write(b"NOOP\r\n")
        writer.close()
        serving.cancel()

    asyncio.run(talk())
