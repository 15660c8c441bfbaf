"""Configurations against a connector's own specification."""

from __future__ import annotations

import pytest

from airbyte_local.masking import masked, secret_values, unmasked
from airbyte_local.sources.connector.specification import marked_secret, wrong_fields

KEY = {"type": "string", "airbyte_secret": True}
SPECIFICATION = {
    "type": "object",
    "required": ["host"],
    "additionalProperties": False,
    "properties": {
        "host": {"type": "string", "minLength": 1, "pattern": "^[a-z.]+$"},
        "since": {"type": ["string", "null"], "pattern": "^[0-9-]+$"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "kind": {"enum": ["x", "y"]},
        "names": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "credentials": {
            "oneOf": [
                {"required": ["type", "key"], "properties": {"type": {"const": "key"}, "key": KEY}},
                {"required": ["type", "account"], "properties": {
                    "type": {"const": "service"}, "account": {"type": "object", "airbyte_secret": True}}},
            ]
        },
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "wrong"),
    [
        ({"host": "h"}, []),
        ({"host": "h", "sourceType": "demo"}, []),
        ({}, [(("host",), "is required")]),
        ({"host": ""}, [(("host",), "is shorter than 1 characters"), (("host",), "does not match ^[a-z.]+$")]),
        ({"host": "h", "size": 0}, [(("size",), "has to be 1 or more")]),
        ({"host": "h", "size": 10}, [(("size",), "has to be 9 or less")]),
        ({"host": "h", "size": "1"}, [(("size",), "has to be of type integer")]),
        ({"host": "h", "since": 1}, [(("since",), "has to be of type string or null")]),
        ({"host": "h", "kind": "z"}, [(("kind",), "has to be one of ['x', 'y']")]),
        ({"host": "h", "names": ["a", 1]}, [(("names", 1), "has to be of type string")]),
        ({"host": "h", "names": []}, [(("names",), "has to have 1 items or more")]),
        ({"host": "h", "port": 1}, [(("port",), "is not a field of this connector")]),
        ({"host": "h", "credentials": {"type": "key"}}, [(("credentials", "key"), "is required")]),
        ({"host": "h", "credentials": {"type": "service"}}, [(("credentials", "account"), "is required")]),
        ({"host": "h", "credentials": {"type": "key", "key": 5}}, [(("credentials", "key"), "has to be of type string")]),
    ],
)  # fmt: skip
def test_each_wrong_field_is_named_with_what_is_wrong(configuration: dict, wrong: list) -> None:
    assert list(wrong_fields(SPECIFICATION, configuration)) == wrong


def test_secrets_are_those_that_the_specification_marks() -> None:
    fields = marked_secret(SPECIFICATION)
    assert fields == {"key", "account"}
    configuration = {"host": "h", "credentials": {"account": {"id": "i", "pem": ["p"]}, "key": "k"}}
    hidden = masked(configuration, fields)
    assert hidden == {"host": "h", "credentials": {"account": "******", "key": "******"}}
    assert unmasked(hidden, configuration, fields) == configuration
    assert secret_values(configuration, fields) == {"i", "p", "k"}
