#!/usr/bin/env bash
# dbt-core 1.11.16 with dbt-duckdb 1.11.1: under a model path of several folders (`model-paths: [sources/web/models]`) the tests that a
# model declares do not have the place of their model. dbt takes the first folder off the file's path, not the model path. So what
# dbt_project.yml configures for a folder reaches its models and not their tests: a test that should warn is an error. No warning tells
# of it, because the folder's models use its configuration.
#
# Output seen (model path, model, test and its severity):
#   models              adventure.staging.seen  adventure.staging.unique_seen_id             warn
#   sources/web/models  adventure.staging.seen  adventure.web.models.staging.unique_seen_id  ERROR
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet dbt-core==1.11.16 dbt-duckdb==1.11.1
cat > profiles.yml <<'YAML'
adventure: {target: dev, outputs: {dev: {type: duckdb, path: ":memory:"}}}
YAML
places() { # MODEL_PATH: the place of the model, that of its test and the test's severity
    mkdir -p "$1/staging"
    echo "select 1 as id" > "$1/staging/seen.sql"
    cat > "$1/staging/seen.yml" <<'YAML'
models:
  - name: seen
    columns:
      - name: id
        data_tests: [unique]
YAML
    cat > dbt_project.yml <<YAML
name: adventure
profile: adventure
model-paths: ["$1"]
models:
  adventure:
    staging: {+materialized: table}
data_tests:
  adventure:
    staging: {+severity: warn}
YAML
    venv/bin/dbt --quiet parse --profiles-dir . > /dev/null
    venv/bin/python - <<'PYTHON'
import json

nodes = json.load(open("target/manifest.json"))["nodes"].values()
for node in sorted(nodes, key=lambda node: node["resource_type"]):
    print(".".join(node["fqn"]), node["config"].get("severity", node["config"]["materialized"]))
PYTHON
}
one=$(places models)
several=$(places sources/web/models)
echo "$one"
echo "$several"
[ "$one" = "adventure.staging.seen table
adventure.staging.unique_seen_id warn" ]
[ "$several" = "adventure.staging.seen table
adventure.web.models.staging.unique_seen_id ERROR" ]
