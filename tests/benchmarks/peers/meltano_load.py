"""Singer, as Meltano runs it: tap-postgres piped into target-duckdb, merged by primary key. Timed with their start-up."""

import json
import subprocess
import sys
import time
from pathlib import Path

task = json.load(sys.stdin)
folder = Path(task["folder"])
tap = str(Path(task["tap"]).with_name("tap-postgres"))
target = str(Path(task["target"]).with_name("target-duckdb"))


def written(name, content):
    """A JSON file that only this user can read; returns its path."""
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(json.dumps(content))
    return str(file)


tap_config = written(
    "tap.json",
    {
        **{key: task[key] for key in ("host", "port", "user", "password")},
        "database": task["dbname"],
        "filter_schemas": [task["schema"]],
        "ssl_enable": False,
    },
)
target_config = written("target.json", {"filepath": task["warehouse"], "default_target_schema": "copied"})
answer = subprocess.run([tap, "--config", tap_config, "--discover"], stdout=subprocess.PIPE, check=True)
catalog = json.loads(answer.stdout)
for stream in catalog["streams"]:
    wanted = stream.get("table_name") == task["table"]
    stream["selected"] = wanted
    for entry in stream["metadata"]:
        entry["metadata"]["selected"] = wanted
    stream["key_properties"] = task["key"]
    stream["replication_method"] = "FULL_TABLE"
chosen = written("catalog.json", catalog)

started = time.monotonic()
with (
    subprocess.Popen([tap, "--config", tap_config, "--catalog", chosen], stdout=subprocess.PIPE) as reading,
    subprocess.Popen(
        [target, "--config", target_config], stdin=reading.stdout, stdout=subprocess.DEVNULL
    ) as writing,
):
    reading.stdout.close()
    writing.wait()
    reading.wait()
if reading.returncode or writing.returncode:
    sys.exit(f"tap-postgres ended with {reading.returncode}, target-duckdb with {writing.returncode}")
print(json.dumps({"seconds": time.monotonic() - started, "table": f"copied.{task['table']}"}))
