"""Mappers: which plan they make of a stream's, and what hashes and ciphers give."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airbyte_local.enums import SyncMode
from airbyte_local.mappers.mapping import mapped
from airbyte_local.mappers.models import Aes, Rsa
from airbyte_local.mappers.secrecy import encrypted, hashed
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from airbyte_local.sources.base import ChangeBatch
from airbyte_local.sources.postgres.cdc.pgoutput import change_schema
from foundation.errors import EltError

KEY = "00112233445566778899aabbccddeeff"  # pragma: allowlist secret


def column(name: str, kind: Kind = Kind.TEXT, scale: int = 0) -> Column:
    return Column(name, str(kind), DataType(kind, 12 if scale else 0, scale), True, False, f"1.{name}")


COLUMNS = (
    column("id", Kind.INTEGER),
    column("email"),
    column("price", Kind.DECIMAL, 2),
    column("ok", Kind.BOOLEAN),
)


def plan(mode: SyncMode = SyncMode.INCREMENTAL_DEDUPED_HISTORY, **changes: Any) -> StreamPlan:
    given: dict[str, Any] = {
        "namespace": "shop", "name": "people", "mode": mode, "columns": COLUMNS, "missing": (), "primary_key": ("id",),
        "key_is_unique": True, "cursor": COLUMNS[0], "target_schema": "raw", "target_table": "people",
    }  # fmt: skip
    return StreamPlan(**given | changes)


def mapper(type_: str, **configuration: Any) -> dict[str, Any]:
    return {"type": type_, "mapperConfiguration": configuration}


def hash_of(field: str, method: str = "SHA-256", suffix: str = "_hashed") -> dict[str, Any]:
    return mapper("hashing", targetField=field, method=method, fieldNameSuffix=suffix)


def only(field: str, value: str) -> dict[str, Any]:
    return mapper("row-filtering", conditions={"type": "EQUAL", "fieldName": field, "comparisonValue": value})


def but(**values: str) -> dict[str, Any]:
    conditions = [
        {"type": "EQUAL", "fieldName": name, "comparisonValue": value} for name, value in values.items()
    ]
    return mapper("row-filtering", conditions={"type": "NOT", "conditions": conditions})


def rows(found: StreamPlan, *values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows of COLUMNS, of which the hidden ones are read as text, once they are mapped."""
    types = {Kind.INTEGER: pa.int32(), Kind.BOOLEAN: pa.bool_()}
    schema = pa.schema([(one.name, types.get(one.type.kind, pa.string())) for one in found.read.columns])
    batch = pa.record_batch(
        [
            pa.array(column, field.type)
            for column, field in zip(zip(*values, strict=True), schema, strict=True)
        ],
        schema,
    )
    result = found.mapping.batch(batch)
    assert result.schema == found.mapping.schema(schema)
    assert result.schema.names == [one.name for one in found.columns]
    return list(zip(*(column.to_pylist() for column in result.columns), strict=True))


def test_mappers_are_applied_one_after_the_other() -> None:
    found = mapped(
        plan(),
        [
            only("ok", "true"),
            mapper("field-renaming", originalFieldName="email", newFieldName="contact"),
            hash_of("contact"),
            mapper("field-filtering", targetField="ok"),
            mapper("field-renaming", originalFieldName="id", newFieldName="person"),
        ],
    )
    assert [one.name for one in found.columns] == ["person", "contact_hashed", "price"]
    assert (found.primary_key, found.cursor.name) == (("person",), "person")
    assert (found.read.primary_key, found.read.cursor.name) == (("id",), "id")
    assert rows(found, (1, "a@b", "1.50", True), (2, "c", "2.00", False), (3, None, None, True)) == [
        (1, hashlib.sha256(b"a@b").hexdigest(), "1.50"),
        (3, None, None),
    ]


@pytest.mark.parametrize("method", ["MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"])
def test_a_hash_is_that_of_the_text_in_utf_8(method: str) -> None:
    name = method.lower().replace("sha-", "sha")
    assert hashed(method)("Grüße".encode()) == hashlib.new(name, "Grüße".encode()).hexdigest()


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (only("id", "2"), [2]),
        (only("email", "b"), [2]),
        (only("price", "1.5"), [1]),
        (only("ok", "false"), [2]),
        (but(email="b"), [1, 3]),
        (but(email="b", id="1"), [3]),
        (only("id", "9999999999"), []),
    ],
)
def test_rows_are_filtered_by_the_form_of_their_type(condition: dict[str, Any], left: list[int]) -> None:
    found = rows(
        mapped(plan(), [condition]), (1, "a", "1.50", True), (2, "b", "2.00", False), (3, None, None, None)
    )
    assert [row[0] for row in found] == left


def test_changes_are_mapped_as_rows_are_and_what_is_filtered_out_is_deleted() -> None:
    found = mapped(
        plan(captured=True),
        [hash_of("email"), but(ok="false"), mapper("field-filtering", targetField="price")],
    )
    schema = change_schema(found.read)
    values = [
        [0, 0, 7, "t", None, None, "1", "a", "1.50", "t"],
        [1, 0, 8, "t", None, None, "2", "b", "1.50", "f"],
        [2, 1, 9, "t", None, None, "3", None, None, None],
    ]
    batch = pa.record_batch(
        [pa.array(one, field.type) for one, field in zip(zip(*values, strict=True), schema, strict=True)],
        schema,
    )
    change = found.mapping.changes(ChangeBatch(found.read, batch), found)
    assert change.plan is found
    assert change.batch.schema == change_schema(found)
    assert change.batch.column("op").to_pylist() == [0, 1, 1]
    assert change.batch.column("c1").to_pylist() == [
        *(hashlib.sha256(one).hexdigest() for one in (b"a", b"b")),
        None,
    ]


def test_a_value_that_a_change_leaves_out_stays_left_out_under_its_new_number() -> None:
    found = mapped(plan(captured=True), [mapper("field-filtering", targetField="email")])
    values = [0, 0, 7, "t", "0010", None, "1", "a", None, "t"]
    schema = change_schema(found.read)
    batch = pa.record_batch(
        [pa.array([one], field.type) for one, field in zip(values, schema, strict=True)], schema
    )
    assert found.mapping.changes(ChangeBatch(found.read, batch), found).batch.column(
        "unchanged"
    ).to_pylist() == ["010"]
    filtered = mapped(plan(captured=True), [only("ok", "true")])
    with pytest.raises(EltError, match=r'large values.* "shop"."people" replica identity full'):
        filtered.mapping.changes(ChangeBatch(filtered.read, batch), filtered)


@pytest.mark.parametrize(
    ("mappers", "said"),
    [
        ([hash_of("nope")], "names the field nope, which is not there — correct it; there are: id, email, price, ok"),
        ([hash_of("email", suffix=""), mapper("field-renaming", originalFieldName="email", newFieldName="id")], "makes the field id, which is there already"),
        ([mapper("field-filtering", targetField="id")], "id is its key, and a mapper leaves it out"),
        ([hash_of("id")], "id is its cursor, and a mapper takes its order away"),
        ([only("id", "one")], "compares id (integer) with 'one'"),
        ([only("price", "1.005")], "compares price (decimal) with '1.005'"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused_by_name(mappers: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(EltError) as error:
        mapped(plan(), mappers)
    assert said in str(error.value)


def decrypted(text: str, mode: str) -> bytes:
    raw, key = bytes.fromhex(text), algorithms.AES(bytes.fromhex(KEY))
    vector, body = raw[:16], raw[16:]
    if mode == "GCM":
        opened = Cipher(key, modes.GCM(vector, body[-16:])).decryptor()
        return opened.update(body[:-16]) + opened.finalize()
    opened = Cipher(key, modes.CBC(vector) if mode == "CBC" else modes.CTR(vector)).decryptor()
    found = opened.update(body) + opened.finalize()
    if mode == "CTR":
        return found
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(found) + unpadder.finalize()


@pytest.mark.parametrize(
    ("mode", "padded"), [("CBC", "PKCS5Padding"), ("CTR", "NoPadding"), ("GCM", "NoPadding")]
)
def test_aes_can_be_read_with_its_key_and_gives_one_text_for_one_value(mode: str, padded: str) -> None:
    given = Aes(algorithm="AES", target_field="x", key=KEY, mode=mode, padding=padded)
    encrypt = encrypted(given)
    assert decrypted(encrypt(b"a value of some length"), mode) == b"a value of some length"
    assert encrypt(b"a") == encrypt(b"a") != encrypt(b"b")
    assert not hmac.compare_digest(
        encrypt(b"a")[:32], encrypted(given.model_copy(update={"key": KEY[::-1]}))(b"a")[:32]
    )


def test_rsa_can_be_read_with_the_private_key_and_says_what_is_too_long() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    encrypt = encrypted(Rsa(algorithm="RSA", target_field="x", public_key=public))
    assert private.decrypt(bytes.fromhex(encrypt(b"a value")), PKCS1v15()) == b"a value"
    with pytest.raises(ValueError, match="a value has 246 bytes, and its RSA key encrypts at most 245"):
        encrypt(b"x" * 246)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "00"}, "is no AES key"),
        ({"key": "secret"}, "is no AES key"),
        ({"padding": "NoPadding"}, "CBC needs PKCS5Padding"),
        ({"mode": "GCM"}, "GCM needs NoPadding"),
    ],
)
def test_a_key_that_its_cipher_cannot_use_is_refused(changes: dict[str, str], said: str) -> None:
    given = {"algorithm": "AES", "target_field": "x", "key": KEY, "mode": "CBC", "padding": "PKCS5Padding"}
    with pytest.raises(ValueError, match=said):
        encrypted(Aes(**given | changes))
