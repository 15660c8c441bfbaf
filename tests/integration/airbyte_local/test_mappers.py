"""Mappers, from each kind of source into each destination: nothing that is hidden reaches the warehouse, nothing is missed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_api import api, models

from foundation.errors import EltError
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import SourceDatabase, free_port
from tests.integration.airbyte_local.conftest import Engine, SnowflakeEngine, stream
from tests.integration.airbyte_local.scripted import record, scripted, state, workspace
from tests.integration.airbyte_local.scripted import stream as offered
from tests.integration.airbyte_local.test_capture import CapturingEngine, capturing
from tests.unit.airbyte_local.test_mappers import KEY, but, decrypted, hash_of, mapper, only

__all__ = ["capturing"]

ENCRYPT = {"algorithm": "AES", "key": KEY, "mode": "CBC", "padding": "PKCS5Padding", "fieldNameSuffix": ""}
PEOPLE = """
create table shop.people (
    id integer primary key, email varchar(50), born date, active boolean, price numeric(12,2), notes text, updated timestamp
)
"""
THREE = """
insert into shop.people values
    (1, 'anne@example.com', '1970-01-01', true, 1.5, 'x', '2024-01-01'),
    (2, 'bob@example.com', '1980-01-01', false, 2, 'x', '2024-01-02'),
    (3, null, null, true, null, null, '2024-01-03')
"""
MAPPERS = [
    hash_of("email"),
    hash_of("born", "MD5", ""),
    mapper("field-renaming", originalFieldName="price", newFieldName="amount"),
    mapper("field-filtering", targetField="notes"),
]
FOUND = "select id, email_hashed, born, active, amount from raw_shop.people order by id"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def mapped(*mappers: dict[str, Any], mode: str = "incremental_deduped_history") -> dict[str, Any]:
    return stream("shop.people", mode, mappers=list(mappers))


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with their numbers as text: decimals differ in how many zeros they show."""
    return [(*row[:-1], None if row[-1] is None else f"{row[-1]:.2f}") for row in rows]


@pytest.fixture(params=["duckdb", pytest.param("snowflake", marks=pytest.mark.slow)])
def people(shop: SourceDatabase, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine whose source has three people."""
    if request.param == "duckdb":
        engine: Engine = Engine(shop, tmp_path / "warehouse.duckdb")
    else:
        emulator: Snowflake = request.getfixturevalue("snowflake_emulator")
        engine = SnowflakeEngine(shop, tmp_path / "unused", emulator=emulator)
    engine.write(PEOPLE, THREE)
    yield engine


def test_by_cursor_fields_are_hidden_before_they_reach_the_warehouse(people: Engine) -> None:
    assert people.sync(mapped(*MAPPERS))["people"] == (3, 3)
    expected = [
        (1, sha("anne@example.com"), md5("1970-01-01"), True, "1.50"),
        (2, sha("bob@example.com"), md5("1980-01-01"), False, "2.00"),
        (3, None, None, True, None),
    ]
    assert plain(people.raw(FOUND)) == expected
    if people.warehouse.exists():
        assert b"anne@" not in people.warehouse.read_bytes()
    people.write("update shop.people set email = 'carl@example.com', updated = '2024-02-01' where id = 3")
    assert people.sync(mapped(*MAPPERS))["people"] == (1, 1)
    assert people.sync(mapped(*MAPPERS))["people"] == (1, 0)  # equal, so it is not written
    assert plain(people.raw(FOUND))[2] == (3, sha("carl@example.com"), None, True, None)


def test_a_mapper_that_is_added_later_has_every_row_read_again(engine: Engine) -> None:
    engine.write(PEOPLE, THREE)
    engine.sync(mapped())
    assert engine.sync(mapped(hash_of("email")))["people"] == (3, 2)  # one has none
    assert engine.raw("select email, email_hashed from raw_shop.people where id = 1") == [
        (None, sha("anne@example.com"))
    ]
    assert engine.sync(mapped(hash_of("email", "SHA-512")))["people"][0] == 3


def test_by_cursor_rows_are_filtered_and_another_filter_wants_a_refresh(people: Engine) -> None:
    kept = "select id from raw_shop.people order by id"
    assert people.sync(mapped(only("active", "true")))["people"] == (3, 2)
    assert people.raw(kept) == [(1,), (3,)]
    assert people.cursor_of("people") is not None
    people.write("insert into shop.people (id, active, updated) values (4, false, '2024-03-01')")
    assert people.sync(mapped(only("active", "true")))["people"] == (2, 0)
    assert people.sync(mapped(only("active", "true")))["people"] == (
        1,
        0,
    )  # the cursor has passed what is left out
    with pytest.raises(EltError, match=r"its row filter is another than raw_shop\.people was filled with"):
        people.sync(mapped(but(active="true")))
    people.sync(mapped(but(active="true")), jobType="refresh")
    assert people.raw(kept) == [(2,), (4,)]


def test_encrypted_rows_that_are_read_again_are_equal(engine: Engine) -> None:
    engine.write(PEOPLE, THREE)
    encrypt = mapper("encryption", targetField="email", **ENCRYPT)
    assert engine.sync(mapped(encrypt))["people"] == (3, 3)
    ((text,),) = engine.raw("select email from raw_shop.people where id = 1")
    assert decrypted(text, "CBC") == b"anne@example.com"
    assert engine.sync(mapped(encrypt))["people"] == (1, 0)
    append = stream("shop.people", "incremental_append", mappers=[encrypt])
    engine.sync(append, jobType="refresh")
    assert engine.sync(append)["people"] == (1, 0)


def test_by_capture_changes_are_mapped_as_rows_are(capturing: CapturingEngine) -> None:
    engine, configured = capturing, mapped(*MAPPERS, but(active="false"))
    del configured["cursorField"]
    live = "select id, email_hashed, born, amount from raw_shop.people where _ab_cdc_deleted_at is null order by id"
    engine.write(PEOPLE, THREE)
    engine.sync(configured)
    first = (1, sha("anne@example.com"), md5("1970-01-01"), "1.50")
    assert plain(engine.raw(live)) == [first, (3, None, None, None)]
    engine.write(
        "update shop.people set active = false where id = 3",  # goes
        "update shop.people set active = true, born = '1980-02-01' where id = 2",  # comes
        "insert into shop.people (id, active) values (4, false)",  # was never there
        "insert into shop.people (id, email) values (5, 'eve@example.com')",
        "update shop.people set id = 10 where id = 1",
    )
    engine.sync(configured)
    assert plain(engine.raw(live)) == [
        (2, sha("bob@example.com"), md5("1980-02-01"), "2.00"),
        (5, sha("eve@example.com"), None, None),
        (10, *first[1:]),
    ]
    assert engine.raw("select id from raw_shop.people where _ab_cdc_deleted_at is not null order by id") == [
        (1,), (3,),
    ]  # fmt: skip
    before = plain(engine.raw(live))
    engine.sync(configured, jobType="refresh")
    assert plain(engine.raw(live)) == before


def test_a_hashed_key_still_tells_rows_apart(capturing: CapturingEngine) -> None:
    engine, configured = capturing, mapped(hash_of("id", suffix=""))
    del configured["cursorField"]
    engine.write(
        PEOPLE,
        THREE,
        "update shop.people set notes = (select string_agg(md5(i::text), '') from generate_series(1, 900) i) where id = 1",
    )
    engine.sync(configured)
    engine.write("update shop.people set id = 11 where id = 1", "delete from shop.people where id = 2")
    engine.sync(configured)
    found = engine.raw("select id, length(notes) from raw_shop.people where _ab_cdc_deleted_at is null")
    assert sorted(found) == sorted([(sha("11"), 28800), (sha("3"), None)])


# connectors, and the API


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirbyteServer]:
    """A server that has the connectors of the tests, too."""
    extra = {"AIRBYTE_CONNECTORS": str(Path(__file__).parents[2] / "connectors")}
    port = free_port()
    made = AirbyteServer(tmp_path_factory.mktemp("mappers"), port, client_id=f"mappers {port}", extra=extra)
    made.start()
    yield made
    made.stop()


def configured(*mappers: models.ConfiguredStreamMapper) -> models.StreamConfigurations:
    deduped = models.ConnectionSyncModeEnum.INCREMENTAL_DEDUPED_HISTORY
    return models.StreamConfigurations(
        streams=[models.StreamConfiguration(name="people", sync_mode=deduped, mappers=list(mappers))]
    )


HASH = models.ConfiguredStreamMapper(
    type=models.StreamMapperType.HASHING,
    mapper_configuration=models.HashingMapperConfiguration(
        target_field="age", method=models.HashingMethod.SHA_256, field_name_suffix="_hashed"
    ),
)
RENAME = models.ConfiguredStreamMapper(
    type=models.StreamMapperType.FIELD_RENAMING,
    mapper_configuration=models.FieldRenamingMapperConfiguration(
        original_field_name="born", new_field_name="birthday"
    ),
)
DROP = models.ConfiguredStreamMapper(
    type=models.StreamMapperType.FIELD_FILTERING,
    mapper_configuration=models.FieldFilteringMapperConfiguration(target_field="notes"),
)
FILTER = models.ConfiguredStreamMapper(
    type=models.StreamMapperType.ROW_FILTERING,
    mapper_configuration=models.RowFilteringMapperConfiguration(
        conditions=models.RowFilteringOperationNot(
            type=models.RowFilteringOperationType.NOT,
            conditions=[
                models.RowFilteringOperationEqual(
                    type=models.RowFilteringOperationType.EQUAL, field_name="id", comparison_value="2"
                )
            ],
        )
    ),
)
AES = models.ConfiguredStreamMapper(
    type=models.StreamMapperType.ENCRYPTION,
    mapper_configuration=models.EncryptionMapperAESConfiguration(
        algorithm=models.EncryptionMapperAlgorithm.AES, target_field="email", field_name_suffix="_secret", key=KEY,
        mode=models.EncryptionMapperAESConfigurationMode.CBC, padding=models.Padding.PKCS5_PADDING,
    ),
)  # fmt: skip


def test_a_connectors_records_are_mapped_through_the_clients_models(
    server: AirbyteServer, tmp_path: Path
) -> None:
    source = scripted(server, tmp_path, {"people": "full_refresh_overwrite"})
    kinds = {"id": "integer", "age": "number", "email": "string", "notes": "string"}
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    properties["born"] = {"type": "string", "format": "date"}
    people = [
        {"id": 1, "age": 41.5, "email": "a@b", "notes": "n", "born": "1970-01-01T10:00:00"},
        {"id": 2, "age": 1, "email": "b@b", "notes": "n", "born": "1970-01-01"},
        {"id": 3, "age": 7, "email": None, "notes": ["n"], "born": "1971-01-01"},
    ]
    source.script(
        [offered("people", properties)],
        [*(record("people", one) for one in people), state("people", {"n": 1})],
    )
    request = api.PatchConnectionRequest(
        connection_id=source.connection.id,
        connection_patch_request=models.ConnectionPatchRequest(
            configurations=configured(HASH, RENAME, DROP, FILTER, AES)
        ),
    )
    shown = server.sdk.connections.patch_connection(request=request).connection_response
    mappers = shown.configurations.streams[0].mappers
    assert [one.type for one in mappers] == [one.type for one in (HASH, RENAME, DROP, FILTER, AES)]
    assert mappers[0].mapper_configuration == HASH.mapper_configuration
    assert mappers[4].mapper_configuration.key == "******"
    # what was shown can be sent back: the key stays
    request.connection_patch_request.configurations = shown.configurations
    again = server.sdk.connections.patch_connection(request=request).connection_response
    assert again.configurations == shown.configurations
    job = source.run()
    assert job["status"] == "succeeded", server.log(job["jobId"])
    found = source.rows(
        "select id, age_hashed, birthday::varchar, email_secret, _airbyte_meta ->> '$.changes[0].field' from people order by id"
    )
    assert [row[:3] for row in found] == [(1, sha("41.5"), "1970-01-01"), (3, sha("7"), "1971-01-01")]
    assert decrypted(found[0][3], "CBC") == b"a@b"
    assert (found[0][4], found[1][3:]) == ("birthday", (None, None))
    everything = b"".join(path.read_bytes() for path in server.home.rglob("*") if path.is_file())
    assert KEY.encode() not in everything


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "hashing"}, "mapperConfiguration"),
        ({"type": "shuffling", "mapperConfiguration": {}}, ""),
        (hash_of("email", "MD2"), "mapperConfiguration.method"),
        (mapper("hashing", targetField="email", method="MD5", fieldNameSufix="x"), "mapperConfiguration.fieldNameSufix"),
        (mapper("encryption", targetField="email", **ENCRYPT | {"key": "abc"}), "mapperConfiguration.key"),
        (mapper("encryption", targetField="email", **ENCRYPT | {"key": "******"}), "mapperConfiguration.key"),
        (mapper("encryption", targetField="email", **ENCRYPT | {"mode": "ECB"}), "mapperConfiguration.mode"),
        (mapper("encryption", algorithm="RSA", targetField="email", publicKey="00"), "mapperConfiguration.publicKey"),
        (mapper("row-filtering", conditions={"type": "NOT", "conditions": []}), "mapperConfiguration.conditions.conditions"),
    ],
)  # fmt: skip
def test_a_mapper_that_cannot_be_is_refused_by_the_name_of_its_field(
    server: AirbyteServer, tmp_path: Path, given: dict[str, Any], field: str
) -> None:
    source = scripted(server, tmp_path, {"people": "full_refresh_overwrite"})
    body = {"configurations": {"streams": [{"name": "people", "mappers": [given]}]}}
    answer = server.http.patch(f"/connections/{source.connection.id}", json=body)
    assert answer.status_code == 422, answer.text
    path = f"configurations.streams[0].mappers[0]{'.' if field else ''}{field}"
    assert [one["field"] for one in answer.json()["data"]["errors"]] == [path]
    assert workspace(server)
