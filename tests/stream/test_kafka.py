"""Kafka on one machine: who is let in, what a kill leaves, and what is said where it can't start."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

from foundation.errors import EltError, Kind
from foundation.settings import ROOT, load_settings
from streaming import kafka
from streaming.catalogue import ORDERS, POSITIONS, TOPICS
from streaming.client import Admin
from streaming.topics import ensure
from tests.fixtures.stream import Broker, producer, read
from tests.fixtures.waiting import wait_until


def test_it_listens_on_this_machine_alone_and_tells_its_password_to_nobody(kafka_server: Broker) -> None:
    process = psutil.Process(kafka_server.process.pid)
    listening = {one.laddr for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
    config = kafka_server.config
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == set(kafka.ports(config).values())
    secret = config.stream_kafka_password.get_secret_value()
    assert secret not in " ".join(process.cmdline()) and secret not in str(process.environ())
    assert not any(name.startswith(("STREAM_", "SOURCE_", "AIRFLOW_")) for name in process.environ())
    assert secret not in kafka_server.log.read_text()
    holders = [
        file
        for file in kafka.folder(config).rglob("*")
        if file.is_file() and secret.encode() in file.read_bytes()
    ]
    assert [(file.name, file.stat().st_mode & 0o777) for file in holders] == [("server.properties", 0o600)]


def test_its_memory_is_bounded(kafka_server: Broker) -> None:
    taken = psutil.Process(kafka_server.process.pid).memory_full_info().pss >> 20
    assert taken < 700, f"{taken} MiB"


def test_a_wrong_password_is_refused_in_one_line(kafka_server: Broker) -> None:
    wrong = load_settings(kafka_server.environ | {"STREAM_KAFKA_PASSWORD": "guessed"})
    with pytest.raises(EltError, match="does not let elt in — correct STREAM_KAFKA_USER") as refused:
        ensure(wrong)
    assert "guessed" not in str(refused.value)


def test_no_broker_is_one_line(own_broker: Broker) -> None:
    with pytest.raises(
        EltError, match=r"Kafka at 127\.0\.0\.1:\d+ can't be used: .* — check that it runs"
    ) as away:
        ensure(own_broker.config)
    assert away.value.kind is Kind.RETRY
    assert not kafka.ready(own_broker.config)


def test_the_topics_are_there_and_nobody_makes_others_by_a_slip(kafka_server: Broker) -> None:
    assert ensure(kafka_server.config) == []
    found = Admin(kafka_server.config).list_topics(timeout=10).topics
    assert {name: len(topic.partitions) for name, topic in found.items() if not name.startswith("_")} == {
        topic.name: topic.partitions for topic in TOPICS.values()
    }
    failed: list[object] = []
    writer = producer(kafka_server.config, **{"message.timeout.ms": 3000})
    writer.produce("shop.ordres", b"1", on_delivery=lambda error, _: failed.append(error))
    writer.flush(20)
    assert failed and failed[0] is not None
    assert "shop.ordres" not in Admin(kafka_server.config).list_topics(timeout=10).topics


def test_a_topic_that_is_another_one_is_refused(own_broker: Broker) -> None:
    own_broker.start()
    client = Admin(own_broker.config)
    client.delete_topics([ORDERS.name])[ORDERS.name].result(20)
    wait_until(lambda: ORDERS.name not in client.list_topics(timeout=10).topics, 20)
    client.create_topics([NewTopic(ORDERS.name, 2)])[ORDERS.name].result(20)
    with pytest.raises(
        EltError, match=r"shop\.orders has 2 partitions, clean-up delete; it should have 4, delete"
    ):
        ensure(own_broker.config)
    assert not kafka.ready(own_broker.config)


def test_what_was_acknowledged_is_there_once_after_a_kill(own_broker: Broker) -> None:
    """The producer goes on while the broker is killed twice and started again."""
    own_broker.start()
    acknowledged: list[bytes] = []
    failures: list[object] = []
    over = threading.Event()

    def taken(error: object, message: object) -> None:
        (failures if error else acknowledged).append(error or message.value())

    def write() -> None:
        writer = producer(own_broker.config, acks="all")
        number = 0
        while not over.is_set():
            writer.produce(ORDERS.name, f"{number}".encode(), f"{number % 50}".encode(), on_delivery=taken)
            number += 1
            writer.poll(0)
            time.sleep(0.001)
        assert writer.flush(60) == 0

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(2):
            before = len(acknowledged)
            wait_until(lambda before=before: len(acknowledged) > before + 300, 30)
            own_broker.kill()
            own_broker.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before, 30)
    finally:
        over.set()
        thread.join(90)
    assert not failures
    found = [message.value() for message in read(own_broker.config, ORDERS.name)]
    assert len(acknowledged) > 600
    assert sorted(found) == sorted(acknowledged), "each once"


def test_the_events_of_a_key_keep_their_order(kafka_server: Broker) -> None:
    writer = producer(kafka_server.config)
    for number in range(400):
        writer.produce("shop.order_status", f"{number}", f"{number % 7}")
    assert writer.flush(30) == 0
    of_key: dict[bytes, list[int]] = {}
    for message in read(kafka_server.config, "shop.order_status"):
        of_key.setdefault(message.key(), []).append(int(message.value()))
    assert len(of_key) == 7 and all(numbers == sorted(numbers) for numbers in of_key.values())


def test_an_open_transaction_of_a_killed_producer_is_never_seen(own_broker: Broker) -> None:
    """And its successor, of the same name, need not wait until it is given up."""
    own_broker.start()
    name = {"transactional.id": "a test's"}
    killed = producer(own_broker.config, **name)
    killed.init_transactions(30)
    killed.begin_transaction()
    killed.produce(ORDERS.name, b"whole")
    killed.produce(POSITIONS.name, b"1", b"a test's")
    killed.commit_transaction(30)
    killed.begin_transaction()
    killed.produce(ORDERS.name, b"half")
    killed.produce(POSITIONS.name, b"2", b"a test's")
    killed.flush(30)
    own_broker.kill()
    own_broker.start()
    successor = producer(own_broker.config, **name)
    started = time.monotonic()
    successor.init_transactions(30)
    assert time.monotonic() - started < 15
    assert [message.value() for message in read(own_broker.config, ORDERS.name)] == [b"whole"]
    assert [message.value() for message in read(own_broker.config, POSITIONS.name)] == [b"1"]
    assert b"half" in [message.value() for message in read(own_broker.config, ORDERS.name, committed=False)]
    with pytest.raises(KafkaException) as fenced:
        killed.commit_transaction(30)
    assert fenced.value.args[0].fatal() or fenced.value.args[0].txn_requires_abort()


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to_and_starts_again(own_broker: Broker, order: signal.Signals) -> None:
    own_broker.start()
    writer = producer(own_broker.config)
    writer.produce(ORDERS.name, b"before")
    assert writer.flush(30) == 0
    started = time.monotonic()
    own_broker.process.send_signal(order)
    assert own_broker.process.wait(30) in (0, 128 + order)
    assert time.monotonic() - started < 15
    assert (kafka.folder(own_broker.config) / "data" / ".kafka_cleanshutdown").exists()
    own_broker.move()
    own_broker.environ |= {"STREAM_KAFKA_PASSWORD": 'another one, with "quotes" and \\ a backslash'}
    own_broker.start()
    assert [message.value() for message in read(own_broker.config, ORDERS.name)] == [b"before"]


def test_a_preparation_that_was_interrupted_leaves_nothing_that_counts(own_broker: Broker) -> None:
    place = kafka.folder(own_broker.config)
    half = place / "making-x" / "data"
    half.mkdir(parents=True)
    (half / "bootstrap.checkpoint").write_text("half")
    kafka.prepare(own_broker.config)
    assert not list(place.glob("making-*")) and (place / "data" / "meta.properties").exists()
    before = (place / "data" / "meta.properties").read_text()
    kafka.prepare(own_broker.config)
    assert (place / "data" / "meta.properties").read_text() == before


def test_a_folder_of_somebody_else_is_left_alone(own_broker: Broker) -> None:
    place = kafka.folder(own_broker.config) / "data"
    place.mkdir(parents=True)
    (place / "thesis.doc").write_text("mine")
    with pytest.raises(EltError, match=r"data is not empty and no folder of Kafka's — move its files away"):
        kafka.prepare(own_broker.config)
    assert (place / "thesis.doc").read_text() == "mine"


def test_without_java_it_says_so_in_one_line(own_broker: Broker, tmp_path: Path) -> None:
    environ = own_broker.environ | {"PATH": str(tmp_path)}
    environ.pop("JAVA_HOME", None)
    for words in (["prepare"], []):
        done = subprocess.run(
            [sys.executable, "-m", "streaming.kafka", *words],
            env=environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "kafka: Kafka needs Java 17 or later; there is no Java here — install one (Debian: openjdk-17-jre-headless), or set"
            " JAVA_HOME to it\n"
        )


def test_what_was_not_prepared_does_not_start(own_broker: Broker) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streaming.kafka"],
        env=own_broker.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "is not prepared — elt up stream" in done.stderr
