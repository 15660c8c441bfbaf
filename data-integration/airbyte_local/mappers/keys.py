"""The keys of a connection's encryption mappers: sealed in the store, masked in answers, open in a job's task."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from airbyte_local.mappers.models import EncryptMapper
from airbyte_local.mappers.secrecy import encrypted
from airbyte_local.masking import MASK

SEALED = "sealed"  # of a key that is kept: {"sealed": cipher text}
Streams = list[dict[str, Any]]


class KeyRefusedError(Exception):
    """A key cannot be used: the path of its field, and why."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


def sealed(given: Streams, before: Streams, seal: Callable[[str], str]) -> Streams:
    """A request's streams as they are kept, each mapper with an id; a masked key is the one that it had `before`.

    Raises KeyRefusedError.
    """
    streams = copy.deepcopy(given)
    for stream in streams:
        for mapper in stream.get("mappers") or ():
            mapper.setdefault("id", str(uuid.uuid4()))
    known = {mapper["id"]: mapper["mapperConfiguration"].get("key") for _, mapper in _encryptions(before)}
    for path, mapper in _encryptions(streams):
        configuration = mapper["mapperConfiguration"]
        field = "key" if "key" in configuration else "publicKey"
        if configuration[field] == MASK:
            if not known.get(mapper["id"]):
                raise KeyRefusedError(
                    f"{path}.{field}", "is masked, and no key of this mapper is known: send it"
                )
            configuration[field] = known[mapper["id"]]
            continue
        try:
            encrypted(EncryptMapper.model_validate(mapper).mapper_configuration)
        except ValueError as error:
            raise KeyRefusedError(f"{path}.{field}", str(error)) from None
        if field == "key":
            configuration["key"] = {SEALED: seal(configuration["key"])}
    return streams


def masked_keys(streams: Streams) -> Streams:
    """As an answer shows them.

    Airbyte's client (1.0.1) reads no mapper without an `algorithm`, which only those that encrypt have: the others get an
    empty one, which it leaves out of what it reads.
    """
    found = _with_keys(streams, lambda _: MASK)
    for stream in found:
        for mapper in stream.get("mappers") or ():
            mapper["mapperConfiguration"].setdefault("algorithm", "")
    return found


def opened(streams: Streams, unseal: Callable[[str], str]) -> Streams:
    """As a job needs them."""
    return _with_keys(streams, lambda kept: unseal(kept[SEALED]))


def _encryptions(streams: Streams) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each encryption mapper with the path of its configuration."""
    for index, stream in enumerate(streams):
        for place, mapper in enumerate(stream.get("mappers") or ()):
            if mapper["type"] == "encryption":
                yield f"configurations.streams[{index}].mappers[{place}].mapperConfiguration", mapper


def _with_keys(streams: Streams, key_of: Callable[[dict[str, str]], str]) -> Streams:
    found = copy.deepcopy(streams)
    for _, mapper in _encryptions(found):
        configuration = mapper["mapperConfiguration"]
        if "key" in configuration:
            configuration["key"] = key_of(configuration["key"])
    return found
