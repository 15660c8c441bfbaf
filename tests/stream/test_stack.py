"""The lane as a part of the stack: it starts, says what it has, comes back after kills, and leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.fixtures.stack import Stack
from tests.fixtures.waiting import wait_until


def test_it_is_no_part_where_it_is_not_in_use(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack("no stream")
    done = stack.elt("up", "stream")
    assert done.returncode == 2
    assert (
        "no part is named 'stream' — put it in use: ELT_SOURCES=adventureworks,stream in .env" in done.stderr
    )
    away = stack.elt("stream", "status")
    assert away.returncode == 2 and "can't be used" in away.stderr and "Traceback" not in away.stderr


def test_without_java_it_says_so_in_one_line_and_the_rest_works(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = make_stack("no java", ELT_SOURCES="adventureworks,stream", JAVA_HOME=str(tmp_path))
    done = stack.elt("up", "stream")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Kafka needs Java 17 or later" in done.stderr and "openjdk-17-jre-headless" in done.stderr
    assert stack.elt("up", "sink").returncode == 0


def messages(stack: Stack) -> dict[str, int]:
    found = json.loads(stack.elt("stream", "status", "--json").stdout)
    return {each["topic"]: each["messages"] for each in found["topics"]}


def test_it_starts_survives_kills_and_leaves_nothing(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack("stream", ELT_SOURCES="adventureworks,stream", STREAM_CARDS_PER_SECOND="50")
    assert stack.elt("up", "postgres").returncode == 0
    assert stack.elt("source", "generate", "--scale", "0.01").returncode == 0
    done = stack.elt("up", "stream")
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{stack.environ['STREAM_KAFKA_PORT']} (Kafka)" in done.stdout
    assert f"127.0.0.1:{stack.environ['STREAM_CLICKHOUSE_PORT']} (ClickHouse)" in done.stdout
    wait_until(lambda: "orders: from" in (stack.home / "logs" / "stream-orders.log").read_text(), 60)
    assert stack.elt("shop", "day").returncode == 0
    wait_until(
        lambda: messages(stack)["shop.orders"] > 0 and messages(stack)["shop.card_transactions"] > 0, 60
    )
    said = stack.elt("stream", "status").stdout
    assert "shop.orders" in said and f"Kafka at 127.0.0.1:{stack.environ['STREAM_KAFKA_PORT']}" in said

    listening = {
        connection.laddr.ip
        for process in stack.processes()
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    secrets = [
        line.partition("=")[2]
        for line in (stack.home / "secrets.env").read_text().splitlines()
        if line.startswith("STREAM_")
    ]
    logs = "".join(log.read_text(errors="replace") for log in (stack.home / "logs").glob("stream-*.log"))
    words = " ".join(" ".join(process.cmdline()) for process in stack.processes())
    assert len(secrets) == 6 and not any(secret in logs + words for secret in secrets)

    before = messages(stack)
    names = {
        "streaming.registry",
        "streaming.clickhouse",
        "streaming.producer",
        "streaming.sink",
        "kafka.Kafka",
    }
    killed = [one for one in stack.processes() if names & {*one.cmdline()}]
    assert len(killed) == 6
    for process in killed:
        process.kill()
    wait_until(lambda: stack.elt("up", "stream").returncode == 0, 90)
    wait_until(lambda: messages(stack)["shop.card_transactions"] > before["shop.card_transactions"] + 50, 60)
    assert messages(stack)["shop.orders"] >= before["shop.orders"]

    made = stack.elt("stream", "produce", "--rate", "100", "--seconds", "2")
    assert made.returncode == 0 and "payments in" in made.stdout, made.stderr
    down = stack.elt("down")
    assert down.returncode == 0, down.stderr
    assert not stack.processes()
    away = stack.elt("stream", "status")
    assert away.returncode == 2 and "elt up stream" in away.stderr


def test_the_topics_are_told_where_no_kafka_runs(make_stack: Callable[..., Stack]) -> None:
    done = make_stack("bare").elt("stream", "topics")
    assert (
        done.returncode == 0
        and "shop.orders: an order that was placed, with its lines; by order id" in done.stdout
    )
