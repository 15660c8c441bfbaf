"""The schema registry, through Confluent's own client: numbers, versions, rules, and what happens when it or its database is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from streaming.catalogue import TOPICS
from streaming.schemas import Schemas
from tests.fixtures.stream import Registry
from tests.fixtures.waiting import wait_until

SUBJECT = "shop.items-value"


def schema(*fields: dict[str, Any], name: str = "Item") -> Schema:
    return Schema(json.dumps({"type": "record", "name": name, "fields": [*fields]}), "AVRO")


FIRST = schema({"name": "id", "type": "int"})
WIDER = schema({"name": "id", "type": "int"}, {"name": "size", "type": ["null", "int"], "default": None})
BROKEN = schema({"name": "id", "type": "int"}, {"name": "size", "type": "int"})


def refusal(call: Any, *arguments: Any, **words: Any) -> tuple[int, int]:
    """Status and code with which a call is refused."""
    with pytest.raises(SchemaRegistryError) as refused:
        call(*arguments, **words)
    return refused.value.http_status_code, refused.value.error_code


def test_a_schema_has_one_number_and_a_subject_counts_its_versions(schemas: Registry) -> None:
    client = schemas.client()
    first = client.register_schema(SUBJECT, FIRST)
    assert client.register_schema(SUBJECT, FIRST) == first
    assert client.register_schema("another-value", FIRST) == first
    wider = client.register_schema(SUBJECT, WIDER)
    assert wider != first
    assert client.get_subjects() == ["another-value", SUBJECT]
    assert client.get_versions(SUBJECT) == [1, 2]
    fresh = schemas.client()
    assert json.loads(fresh.get_schema(wider).schema_str) == json.loads(WIDER.schema_str)
    latest = fresh.get_latest_version(SUBJECT)
    assert (latest.version, latest.schema_id, latest.subject) == (2, wider, SUBJECT)
    assert fresh.get_version(SUBJECT, 1).schema_id == first
    found = fresh.lookup_schema(SUBJECT, WIDER)
    assert (found.version, found.schema_id) == (2, wider)


def test_what_is_not_there_has_the_code_that_clients_know(schemas: Registry) -> None:
    client = schemas.client()
    assert refusal(client.get_versions, SUBJECT) == (404, 40401)
    assert refusal(client.lookup_schema, SUBJECT, FIRST) == (404, 40401)
    assert refusal(client.get_schema, 77) == (404, 40403)
    client.register_schema(SUBJECT, FIRST)
    assert refusal(client.get_version, SUBJECT, 7) == (404, 40402)
    assert refusal(client.lookup_schema, SUBJECT, WIDER) == (404, 40403)
    assert refusal(client.register_schema, SUBJECT, Schema("{", "AVRO")) == (422, 42201)
    assert refusal(client.register_schema, SUBJECT, Schema('{"type": "object"}', "JSON")) == (422, 42201)
    assert schemas.ask("GET", f"/subjects/{SUBJECT}/versions/first").json()["error_code"] == 42202
    assert schemas.ask("GET", "/nowhere").json()["error_code"] == 40400
    assert schemas.ask("PUT", "/config", {"compatibility": "SOMETIMES"}).json()["error_code"] == 42203
    assert schemas.ask("PUT", "/mode", {"mode": "SLEEPING"}).json()["error_code"] == 42204
    assert schemas.ask("POST", f"/subjects/{SUBJECT}/versions", [1]).status_code == 422


def test_a_schema_by_which_old_events_could_not_be_read_is_refused(schemas: Registry) -> None:
    client = schemas.client()
    client.register_schema(SUBJECT, FIRST)
    assert client.test_compatibility(SUBJECT, WIDER)
    assert not client.test_compatibility(SUBJECT, BROKEN)
    with pytest.raises(
        SchemaRegistryError, match="the field size is not written, and has no default"
    ) as refused:
        client.register_schema(SUBJECT, BROKEN)
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
    assert client.get_versions(SUBJECT) == [1]


@pytest.mark.parametrize(
    "level, allowed", [("NONE", True), ("BACKWARD", False), ("FORWARD", True), ("FULL_TRANSITIVE", False)]
)
def test_a_subject_has_a_level_of_its_own_or_the_one_of_all(
    schemas: Registry, level: str, allowed: bool
) -> None:
    client = schemas.client()
    client.register_schema(SUBJECT, FIRST)
    assert client.get_compatibility() == "BACKWARD"
    assert schemas.ask("GET", f"/config/{SUBJECT}").json()["error_code"] == 40408
    client.set_compatibility(SUBJECT, level)
    assert client.get_compatibility(SUBJECT) == level
    assert client.test_compatibility(SUBJECT, BROKEN) is allowed
    assert schemas.ask("DELETE", f"/config/{SUBJECT}").json() == {"compatibilityLevel": level}
    assert schemas.ask("GET", f"/config/{SUBJECT}?defaultToGlobal=true").json() == {
        "compatibilityLevel": "BACKWARD"
    }
    client.set_compatibility(level=level)
    assert client.get_compatibility() == level
    assert client.test_compatibility(SUBJECT, BROKEN) is allowed


def test_nothing_is_written_in_a_mode_that_only_reads(schemas: Registry) -> None:
    client = schemas.client()
    client.register_schema(SUBJECT, FIRST)
    assert schemas.ask("PUT", "/mode", {"mode": "READONLY"}).json() == {"mode": "READONLY"}
    assert refusal(client.register_schema, SUBJECT, WIDER) == (422, 42205)
    assert refusal(client.delete_subject, SUBJECT) == (422, 42205)
    assert client.register_schema(SUBJECT, FIRST)
    assert schemas.ask("PUT", f"/mode/{SUBJECT}", {"mode": "READWRITE"}).status_code == 200
    assert client.register_schema(SUBJECT, WIDER)


def test_what_is_deleted_can_still_be_read_by_its_number(schemas: Registry) -> None:
    client = schemas.client()
    first, wider = (client.register_schema(SUBJECT, each) for each in (FIRST, WIDER))
    assert client.delete_version(SUBJECT, 1) == 1
    assert client.get_versions(SUBJECT) == [2]
    assert schemas.client().get_schema(first).schema_str
    assert client.delete_subject(SUBJECT) == [2]
    assert client.get_subjects() == []
    assert schemas.ask("GET", "/subjects?deleted=true").json() == [SUBJECT]
    assert client.delete_subject(SUBJECT, permanent=True) == [1, 2]
    assert schemas.ask("GET", "/subjects?deleted=true").json() == []
    assert schemas.client().get_schema(wider).schema_str
    third = schemas.client().register_schema(SUBJECT, schema({"name": "x", "type": "int"}))
    assert third > wider, "a number is never given twice"


def test_a_subject_is_forgotten_only_after_it_was_hidden(schemas: Registry) -> None:
    schemas.client().register_schema(SUBJECT, FIRST)
    path = f"/subjects/{SUBJECT}"
    assert schemas.ask("DELETE", f"{path}/versions/1?permanent=true").json()["error_code"] == 40407
    assert schemas.ask("DELETE", path).json() == [1]
    assert schemas.ask("DELETE", path).json()["error_code"] == 40404
    assert schemas.ask("DELETE", f"{path}/versions/1").json()["error_code"] == 40406


def test_a_schema_can_use_the_names_of_another(schemas: Registry) -> None:
    client = schemas.client()
    client.register_schema(
        "money",
        Schema('{"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "long"}]}', "AVRO"),
    )
    user = Schema(
        '{"type": "record", "name": "Price", "fields": [{"name": "of", "type": "Money"}]}',
        "AVRO",
        [SchemaReference("Money", "money", 1)],
    )
    number = client.register_schema("price", user)
    assert [each.subject for each in schemas.client().get_schema(number).references] == ["money"]
    assert schemas.ask("GET", "/subjects/money/versions/1/referencedby").json() == [number]
    assert schemas.ask("DELETE", "/subjects/money").json()["error_code"] == 42206
    lost = Schema(user.schema_str, "AVRO", [SchemaReference("Money", "money", 9)])
    assert refusal(client.register_schema, "price", lost) == (422, 42201)


@pytest.mark.threat("a request that makes a server fail")
def test_a_schema_that_is_referred_to_many_times_is_read_once(schemas: Registry) -> None:
    """Twelve at each of nine levels: 12^9, if each were read as often as it is named."""
    client = schemas.client()
    for level in range(9):
        text = json.dumps({"type": "record", "name": f"L{level}", "fields": [{"name": "id", "type": "int"}]})
        below = [SchemaReference(f"L{level - 1}", f"level-{level - 1}", 1)] * 12 if level else []
        client.register_schema(f"level-{level}", Schema(text, "AVRO", below))
    for number in range(101):
        client.register_schema(f"many-{number}", schema(name=f"Many{number}"))
    many = [SchemaReference(f"Many{number}", f"many-{number}", 1) for number in range(101)]
    assert client.register_schema(SUBJECT, Schema(FIRST.schema_str, "AVRO", many[:100]))
    assert refusal(client.register_schema, SUBJECT, Schema(WIDER.schema_str, "AVRO", many)) == (422, 42201)


WRONG: list[tuple[str, str, Any]] = [
    ("GET", "/subjects/a%00b/versions", None),
    ("GET", "/subjects?subjectPrefix=%00", None),
    ("POST", "/subjects/a%00b/versions", {"schema": FIRST.schema_str}),
    ("PUT", "/config/a%00b", {"compatibility": "NONE"}),
    ("GET", "/mode/a%00b", None),
    ("GET", f"/subjects/{SUBJECT}/versions/1{'0' * 5_000}", None),
    ("GET", f"/subjects/{SUBJECT}/versions/{'0' * 20}1{'0' * 5_000}", None),
    ("GET", f"/schemas/ids/{'9' * 30}", None),
    *(
        ("POST", f"/subjects/{SUBJECT}/versions", {"schema": WIDER.schema_str, "references": [reference]})
        for reference in (
            {"name": "Item", "subject": "a\0b", "version": 1},
            {"name": "a\0b", "subject": SUBJECT, "version": 1},
            {"name": "Item", "subject": SUBJECT, "version": True},
            {"name": "Item", "subject": SUBJECT, "version": 1 << 70},
            {"name": "Item", "subject": SUBJECT, "version": -1},
        )
    ),
    ("POST", f"/subjects/{SUBJECT}/versions", {"schema": '{"type": "string", "doc": "a\\u0000b"}'}),
    ("POST", f"/subjects/{SUBJECT}/versions", {"schema": '{"type": "string", "doc": "\\ud800"}'}),
]


@pytest.mark.threat("a request that makes a server fail")
@pytest.mark.parametrize(("method", "path", "body"), WRONG, ids=map(str, range(len(WRONG))))
def test_a_wrong_request_is_no_error_of_the_server(
    schemas: Registry, method: str, path: str, body: Any
) -> None:
    schemas.client().register_schema(SUBJECT, FIRST)
    answer = schemas.ask(method, path, body)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["message"]) < 500 and "\0" not in answer.text


def test_events_are_read_by_the_schema_that_they_were_written_by(schemas: Registry) -> None:
    """Forwards and backwards: an old reader reads new events, a new one old events."""
    client = schemas.client()
    context = SerializationContext("shop.items", MessageField.VALUE)
    old, new = (AvroSerializer(client, each.schema_str) for each in (FIRST, WIDER))
    before, after = old({"id": 1}, context), new({"id": 2, "size": 7}, context)
    assert before[:1] == after[:1] == b"\0" and before[1:5] != after[1:5]
    old_reader, new_reader = (AvroDeserializer(schemas.client(), each.schema_str) for each in (FIRST, WIDER))
    assert [old_reader(each, context) for each in (before, after)] == [{"id": 1}, {"id": 2}]
    assert [new_reader(each, context) for each in (before, after)] == [
        {"id": 1, "size": None},
        {"id": 2, "size": 7},
    ]


def test_the_schemas_of_the_lane_are_registered_and_stay_compatible(schemas: Registry) -> None:
    mine = Schemas(schemas.config)
    for topic in TOPICS.values():
        if topic.schema:
            mine.serializer(topic)
    assert schemas.client().get_subjects() == sorted(
        topic.subject for topic in TOPICS.values() if topic.schema
    )


def test_who_has_no_password_is_told_nothing(schemas: Registry) -> None:
    for login in (
        None,
        ("elt", "guess"),
        ("root", schemas.config.stream_registry_password.get_secret_value()),
    ):
        answer = schemas.ask("GET", "/subjects", auth=login)
        assert (answer.status_code, answer.json()["error_code"]) == (401, 40101)
    assert refusal(SchemaRegistryClient({"url": schemas.config.stream_registry_base}).get_subjects) == (
        401,
        40101,
    )
    assert schemas.ask("GET", "/health", auth=None).status_code == 200


def test_guesses_get_slower_and_keep_nobody_out(schemas: Registry) -> None:
    statuses = [schemas.ask("GET", "/subjects", auth=("elt", f"guess {n}")).status_code for n in range(12)]
    assert 429 in statuses
    assert schemas.ask("GET", "/subjects").status_code == 200


def test_it_listens_on_this_machine_alone_and_tells_its_secrets_to_nobody(schemas: Registry) -> None:
    process = psutil.Process(schemas.program.process.pid)
    listening = {tuple(one.laddr) for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", schemas.config.stream_registry_port)}
    config = schemas.config
    for secret in (config.stream_registry_password, config.stream_registry_database_password):
        assert secret.get_secret_value() not in " ".join(process.cmdline()) + schemas.program.said


def test_a_large_body_is_refused(schemas: Registry) -> None:
    for size, login, status in ((2 << 20, "right", 413), (1 << 17, None, 413)):
        words = {"auth": None} if login is None else {}
        answer = schemas.ask("POST", f"/subjects/{SUBJECT}/versions", {"schema": "x" * size}, **words)
        assert answer.status_code == status


def test_many_who_register_at_once_get_one_number_each(schemas: Registry) -> None:
    versions = [schema({"name": f"f{n % 5}", "type": ["null", "int"], "default": None}) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda each: schemas.client().register_schema(SUBJECT, each), versions))
    by_text: dict[str, set[int]] = {}
    for each, number in zip(versions, numbers, strict=True):
        by_text.setdefault(each.schema_str, set()).add(number)
    assert sorted(number for found in by_text.values() for number in found) == [1, 2, 3, 4, 5]
    assert schemas.client().get_versions(SUBJECT) == [1, 2, 3, 4, 5]


def test_what_was_registered_is_there_after_kills(schemas: Registry) -> None:
    """Of the registry, again and again, while somebody registers: each number that was told stays what it was."""
    told: dict[int, str] = {}
    over = threading.Event()

    def register() -> None:
        number = 0
        while not over.is_set():
            text = schema({"name": f"n{number}", "type": ["null", "int"], "default": None})
            try:
                told[schemas.client(**{"max.retries": 0}).register_schema(f"s{number % 3}", text)] = (
                    text.schema_str
                )
            except Exception:  # noqa: BLE001 - it is away: what was not told need not be there
                time.sleep(0.05)
            number += 1

    thread = threading.Thread(target=register)
    thread.start()
    try:
        for _ in range(4):
            before = len(told)
            wait_until(lambda before=before: len(told) > before + 5, 30)
            schemas.program.kill()
            schemas.start()
    finally:
        over.set()
        thread.join(60)
    client = schemas.client()
    assert len(told) > 20
    for number, text in told.items():
        assert json.loads(client.get_schema(number).schema_str) == json.loads(text)


def test_it_says_so_while_its_database_is_away_and_goes_on_when_it_is_back(schemas: Registry) -> None:
    schemas.client().register_schema(SUBJECT, FIRST)
    os.kill(schemas.cluster.running_pid(), signal.SIGKILL)
    try:
        answer = schemas.ask("GET", "/subjects", timeout=60)
        assert (answer.status_code, answer.json()["error_code"]) == (503, 50301)
        assert not schemas.answers()
    finally:
        wait_until(lambda: schemas.cluster._process.poll() is not None, 30)
        schemas.cluster.start()
    wait_until(schemas.answers, 60)
    assert schemas.client().get_versions(SUBJECT) == [1]
