#!/usr/bin/env bash
# airbyte-api 1.0.1: a connection with a mapper that does not encrypt can neither be read nor be built from a mapping: the
# client looks for `algorithm` in every mapper's configuration, and raises where it is not. With an empty one it reads it.
#
# Output seen:
#   as Airbyte answers:      ValueError: Could not find discriminator field algorithm
#   with an empty algorithm: HashingMapperConfiguration
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet airbyte-api==1.0.1
"$folder/venv/bin/python" - <<'PYTHON'
from airbyte_api import models

configuration = {"targetField": "email", "method": "SHA-256", "fieldNameSuffix": ""}
try:
    models.ConfiguredStreamMapper.model_validate({"type": "hashing", "mapperConfiguration": configuration})
except ValueError as error:
    print(f"as Airbyte answers:      {type(error).__name__}: {str(error).partition(' in ')[0]}")
else:
    raise SystemExit("it is read now")
found = models.ConfiguredStreamMapper.model_validate(
    {"type": "hashing", "mapperConfiguration": {**configuration, "algorithm": ""}}
)
print(f"with an empty algorithm: {type(found.mapper_configuration).__name__}")
assert isinstance(found.mapper_configuration, models.HashingMapperConfiguration)
PYTHON
