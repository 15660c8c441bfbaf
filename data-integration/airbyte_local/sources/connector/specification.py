"""A configuration against the connector's own specification: which fields are wrong, which are secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, relevance

NOT_ITS_OWN = frozenset({"sourceType"})  # what the API adds to a configuration


def own(configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration as the connector wants it."""
    return {name: value for name, value in configuration.items() if name not in NOT_ITS_OWN}


def wrong_fields(
    specification: dict[str, Any], configuration: dict[str, Any]
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Each wrong field (its path) and what is wrong. No value is repeated: it may be a secret."""
    for error in Draft7Validator(specification).iter_errors(own(configuration)):
        deepest = _deepest(error)
        path = tuple(deepest.absolute_path)
        if deepest.validator == "required":
            for name in deepest.validator_value:
                if name not in deepest.instance:
                    yield (*path, name), "is required"
        elif deepest.validator == "additionalProperties" and deepest.validator_value is False:
            for name in sorted(set(deepest.instance) - set(deepest.schema.get("properties", {}))):
                yield (*path, name), "is not a field of this connector"
        else:
            yield path, _said(deepest)


def _deepest(error: ValidationError) -> ValidationError:
    """Of a choice none of whose options fits: what is wrong with the option that was meant, by its constants."""
    while error.context:
        options: dict[Any, list[ValidationError]] = {}
        for one in error.context:
            options.setdefault(one.schema_path[0], []).append(one)
        meant = [
            found
            for found in options.values()
            if not any(one.validator in ("const", "enum") for one in found)
        ]
        found = meant[0] if len(meant) == 1 else error.context
        error = max(found, key=relevance)
    return error


LIMITS = {
    "enum": "has to be one of {}",
    "const": "has to be {}",
    "minimum": "has to be {} or more",
    "maximum": "has to be {} or less",
    "pattern": "does not match {}",
    "minLength": "is shorter than {} characters",
    "minItems": "has to have {} items or more",
}


def _said(error: ValidationError) -> str:
    limit = error.validator_value
    if error.validator == "type":
        return f"has to be of type {limit if isinstance(limit, str) else ' or '.join(limit)}"
    return LIMITS.get(error.validator, f"does not fit the specification ({error.validator})").format(limit)


def marked_secret(specification: Any) -> frozenset[str]:
    """The names of all fields that are marked `airbyte_secret`, nested ones too."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            for name, child in (node.get("properties") or {}).items():
                if isinstance(child, dict) and child.get("airbyte_secret"):
                    found.add(name)
            for child in node.values():
                look(child)
        elif isinstance(node, list):
            for child in node:
                look(child)

    look(specification)
    return frozenset(found)
