"""A connector whose configuration names a script: a JSON file with its streams and the steps of `read`.

A step is a line to write (`line`: text, or a message), a `file` to write so many `times`, words for standard error (`stderr`), a count
of rows with states between (`count`), or an end: `exit`, `kill`, `hang`, or a process that stays (`leave`: seconds) with the outputs open. What it was given goes to `<script>.given`, for the test to look at.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SPECIFICATION = {
    "documentationUrl": "https://example.com/scripted",
    "connectionSpecification": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Scripted",
        "type": "object",
        "required": ["script"],
        "additionalProperties": False,
        "properties": {
            "script": {"type": "string", "title": "Path of the script"},
            "api_key": {"type": "string", "airbyte_secret": True},
            "rows": {"type": "integer", "minimum": 1},
            "credentials": {
                "type": "object",
                "oneOf": [
                    {
                        "required": ["auth_type", "client_token"],
                        "properties": {
                            "auth_type": {"const": "token"},
                            "client_token": {"type": "string", "airbyte_secret": True},
                        },
                    },
                    {
                        "required": ["auth_type", "user"],
                        "properties": {"auth_type": {"const": "basic"}, "user": {"type": "string"}},
                    },
                ],
            },
        },
    },
}


def write(message):
    sys.stdout.write(message if isinstance(message, str) else json.dumps(message))
    sys.stdout.write("\n")
    sys.stdout.flush()


def read(path):
    return json.loads(Path(path).read_text()) if path else None


def count(step, state):
    """Rows `id` from the saved number on up to `to`, a state after `every` rows; `die` after that id."""
    stream, every = step["stream"], step.get("every", 10)
    saved = next(
        (one["stream"] for one in state or [] if one["stream"]["stream_descriptor"]["name"] == stream), None
    )
    start = saved["stream_state"]["n"] if saved else 0
    for number in range(start + 1, step["to"] + 1):
        data = {"id": number, **step.get("data", {})}
        write({"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": 1}})
        if number % every == 0:
            descriptor = {"stream_descriptor": {"name": stream}, "stream_state": {"n": number}}
            write({"type": "STATE", "state": {"type": "STREAM", "stream": descriptor}})
        if number == step.get("die"):
            sys.stderr.write("Traceback: the wheel came off\n")
            sys.exit(3)


def play(step, state):
    if "line" in step:
        write(step["line"])
    elif "file" in step:
        text = Path(step["file"]).read_text()
        for _ in range(step["times"]):
            sys.stdout.write(text)
        sys.stdout.flush()
    elif "count" in step:
        count(step["count"], state)
    elif "stderr" in step:
        sys.stderr.write(step["stderr"] + "\n")
    elif "leave" in step:
        subprocess.Popen(["sleep", step["leave"]], start_new_session=True)
    elif "exit" in step:
        sys.exit(step["exit"])
    elif "kill" in step:
        os.kill(os.getpid(), signal.Signals[step["kill"]])
    elif "hang" in step:
        time.sleep(3600)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    if given.command == "spec":
        write({"type": "SPEC", "spec": SPECIFICATION})
        return
    config = read(given.config)
    script = read(config["script"])
    if given.command == "check":
        write({"type": "CONNECTION_STATUS", "connectionStatus": script.get("check", {"status": "SUCCEEDED"})})
    elif given.command == "discover":
        for step in script.get("discover", []):
            play(step, None)
        write({"type": "CATALOG", "catalog": {"streams": script["streams"]}})
    else:
        state = read(given.state)
        seen = {"config": config, "catalog": read(given.catalog), "state": state, "environ": dict(os.environ)}
        seen["state_text"] = Path(given.state).read_text() if given.state else None
        Path(config["script"] + ".given").write_text(json.dumps(seen))
        for step in script["read"]:
            play(step, state)


main()
