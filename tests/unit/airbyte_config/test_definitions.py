"""Reading the connection files: what they mean, and how a mistake is reported."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_config import documents
from airbyte_config.definitions import Definitions, Stream, load
from airbyte_config.documents import DIRECTORY
from foundation.errors import EltError
from foundation.settings import Settings, load_settings
from tests.fixtures.connections import by_cursor

CONNECTION = "connections/adventureworks.yaml"
SOURCE = "sources/adventureworks.yaml"
SNOWFLAKE = "destinations/snowflake.yaml"


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    def make(**variables: str) -> Settings:
        return load_settings({"ELT_HOME": str(tmp_path / "home"), **variables})

    return make


@pytest.fixture
def load_edited(tmp_path: Path, settings_of: Callable[..., Settings]) -> Callable[..., Definitions]:
    """Load a copy of the files with one passage replaced (or the whole file, when `old` is empty)."""

    def edit(file: str, old: str, new: str, **variables: str) -> Definitions:
        folder = tmp_path / "files"
        shutil.copytree(DIRECTORY, folder)
        path = folder / file
        text = path.read_text() if old else ""
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else new)
        return load(folder, settings_of(**variables))

    return edit


def test_a_path_of_one_part_is_a_column() -> None:
    given = {
        "name": "t",
        "primaryKey": [["id"], ["a", "b"]],
        "cursorField": ["at"],
        "selectedFields": [["id"]],
    }
    stream = Stream.model_validate(given)
    assert (stream.primary_key, stream.cursor_field) == (["id", ("a", "b")], "at")
    assert stream.selected_fields == ["id"]


def test_the_files_of_the_repository_are_right(settings_of) -> None:
    settings = settings_of(SOURCE_PORT="5433")
    definitions = load(settings=settings)
    source = definitions.sources["adventureworks"]
    assert source.configuration.port == 5433
    assert source.values["schemas"] == ["humanresources", "person", "production", "purchasing", "sales"]
    assert source.secrets == {"password": settings.source_reader_password.get_secret_value()}
    assert definitions.destinations["warehouse"].values["destination_path"] == str(settings.warehouse_path)
    connection = definitions.connection("adventureworks").definition
    assert len(connection.streams) == 44
    assert source.captures
    assert source.values["replication_method"] == {
        "method": "CDC",
        "publication": settings.source_publication,
        "replication_slot": settings.source_slot,
    }
    assert {stream.cursor_field for stream in connection.streams} == {None}
    order_line = next(stream for stream in connection.streams if stream.name == "salesorderdetail")
    assert connection.table_of(order_line, "main") == ("adventureworks_sales", "salesorderdetail")


def test_personal_columns_are_left_out() -> None:
    text = (DIRECTORY / CONNECTION).read_text()
    streams = documents.read(DIRECTORY / CONNECTION).data["streams"]
    fields = {stream["name"]: stream.get("selectedFields") for stream in streams}
    assert "nationalidnumber" not in fields["employee"]
    assert "cardnumber" not in fields["creditcard"]
    assert "name: password" not in text


def test_the_second_companys_account_numbers_are_left_out_and_its_contacts_hashed(settings_of) -> None:
    streams = {
        stream.name: stream
        for stream in load(settings=settings_of(ELT_SOURCES="adventureworks,totesys"))
        .connection("totesys")
        .definition.streams
    }
    assert len(streams) == 11
    assert streams["payment"].selected_fields and "manager" not in streams["department"].selected_fields
    assert not [field for field in streams["payment"].selected_fields if "ac_number" in str(field)]
    hashed = {mapper["mapperConfiguration"]["targetField"] for mapper in streams["counterparty"].mappers}
    assert hashed == {"commercial_contact", "delivery_contact"}


def test_snowflake_is_chosen_by_a_setting_alone(settings_of) -> None:
    environ = {"SNOWFLAKE_HOST": "acme.snowflakecomputing.com", "SNOWFLAKE_LOADER_PRIVATE_KEY": "the key"}
    destination = load(settings=settings_of(AIRBYTE_DESTINATION="snowflake", **environ)).destinations[
        "warehouse"
    ]
    assert (destination.name, destination.connector) == ("warehouse", "snowflake")
    assert destination.configuration.host == "acme.snowflakecomputing.com"
    assert destination.secrets == {"credentials.private_key": "the key"}
    assert "the key" not in repr(destination)


def test_a_missing_variable_is_named_with_its_line(settings_of) -> None:
    message = "destinations/snowflake.yaml, line 5: SNOWFLAKE_HOST is not set — set SNOWFLAKE_HOST in .env"
    with pytest.raises(EltError, match=re.escape(message)):
        load(settings=settings_of(AIRBYTE_DESTINATION="snowflake"))


def test_an_unknown_destination_is_answered_with_those_that_there_are(settings_of) -> None:
    with pytest.raises(
        EltError,
        match=r"AIRBYTE_DESTINATION=oracle: no file .* defines warehouse — there is: duckdb, snowflake",
    ):
        load(settings=settings_of(AIRBYTE_DESTINATION="oracle"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (SOURCE, "host: {setting: SOURCE_HOST}", "host: {setting: SOURCE_HOTS}",
         "line 5: there is no setting SOURCE_HOTS — did you mean SOURCE_HOST?"),
        (SOURCE, "{setting: SOURCE_HOST}", "{setting: XYZ}", "line 5: there is no setting XYZ — see .env.example"),
        (SOURCE, "{secret: SOURCE_READER_PASSWORD}", "hunter2",
         "line 10: password is written out here — refer to it: password: {secret: VARIABLE}"),
        (SOURCE, "{secret: SOURCE", "{setting: SOURCE",
         "line 10: SOURCE_READER_PASSWORD is no plain setting — write {secret: SOURCE_READER_PASSWORD}"),
        (SOURCE, "{setting: SOURCE_PORT}", "{secret: SOURCE_PORT}", "line 6: SOURCE_PORT is no secret"),
        (SOURCE, "host:", "hots:", "line 3: host is missing"),
        (SOURCE, "  database:", "  databse: x\n  database:", "line 7: unknown field databse"),
        (SOURCE, "    method: CDC", "    publicaton: x\n    method: CDC", "line 14: unknown field publicaton"),
        (SOURCE, "mode: {setting: SOURCE_SSL_MODE}", "mode: sometimes", "line 11: ssl_mode: "),
        (SOURCE, "  sourceType: postgres\n", "",
         "line 3: sourceType is missing — name the source's sourceType, or its definitionId"),
        (SOURCE, "name: adventureworks\n", "", "line 1: name is missing"),
        (SOURCE, "name: adventureworks", "name: adventureworks\nname: twice", "line 3: name is here twice"),
        (SOURCE, "name: adventureworks", "name: [", "line 4: expected"),
        (SOURCE, "", "- a list", "line 1: not a mapping"),
        (SOURCE, "", "", "line 1: not a mapping"),
        (CONNECTION, "status: active", "state: active", "line 5: unknown field state"),
        (CONNECTION, "status: active", "status: paused", "line 5: status: Input should be 'active'"),
        (CONNECTION, "source: adventureworks", "source: shop",
         "line 3: no file defines a source shop — there is: adventureworks"),
        (CONNECTION, "destination: warehouse", "destination: nowhere",
         "line 4: "),
        (CONNECTION, "namespaceFormat: adventureworks_${SOURCE_NAMESPACE}\n", "",
         "line 8: custom_format needs a namespaceFormat"),
        (CONNECTION, "scheduleType: manual", "scheduleType: cron", "line 6: a cron schedule needs a cronExpression"),
        (CONNECTION, "name: address\n", "name: address\n    cursor: x\n", "line 38: unknown field cursor"),
        (CONNECTION, "name: addresstype", "name: address", "line 39: stream person.address is already defined in line 36"),
        (CONNECTION, "name: address\n", "name: address\n    cursorField: modifieddate\n",
         "line 36: stream person.address: a cursorField, but the source adventureworks captures changes"),
        (CONNECTION, "  syncMode: incremental_deduped_history\n", "  {}\n",
         "line 17: stream humanresources.employee has no syncMode"),
        (CONNECTION, "      - businessentityid\n", "",
         "line 21: stream humanresources.employee: selectedFields lacks businessentityid, its key or cursor"),
        (CONNECTION, "primaryKey: [addressid]", "primaryKey: [addressid]\n    mappers:\n      - {type: shuffling}",
         "line 40: stream person.address: it is no mapper: type has to be one of hashing"),
        (CONNECTION, "primaryKey: [addressid]", "primaryKey: [addressid]\n    mappers:\n      - {type: hashing, mapperConfiguration: {targetField: city, method: MD5}}",
         "line 40: stream person.address: it is no mapper: fieldNameSuffix: Field required"),
        (CONNECTION, "primaryKey: [addressid]", "primaryKey: [addressid]\n    mappers:\n      - {type: encryption, mapperConfiguration: {targetField: city, key: ff}}",
         "line 40: stream person.address: an encryption mapper contains its key, and files must not contain keys"),
        (CONNECTION, "primaryKey: [addressid]", "primaryKey: addressid", "line 38: primaryKey: Input should be a valid list"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_file_line_and_remedy(
    load_edited: Callable[..., Definitions], file: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(EltError) as caught:
        load_edited(file, old, new)
    assert f"{file}, {message}" in str(caught.value)
    assert caught.value.remedy
    assert "hunter2" not in str(caught.value)


def test_a_source_that_is_read_by_cursor_needs_cursors(tmp_path: Path, settings_of) -> None:
    folder = by_cursor(tmp_path / "files")
    definitions = load(folder, settings_of())
    assert not definitions.sources["adventureworks"].captures
    streams = definitions.connection("adventureworks").definition.streams
    assert {stream.cursor_field for stream in streams} == {"modifieddate"}
    shutil.copy(DIRECTORY / CONNECTION, folder / CONNECTION)
    with pytest.raises(EltError, match=r"line 17: stream humanresources\.employee: .* needs a cursorField"):
        load(folder, settings_of())


def test_two_sources_of_one_name_are_refused(tmp_path: Path, settings_of) -> None:
    folder = tmp_path / "files"
    shutil.copytree(DIRECTORY, folder)
    shutil.copy(folder / SOURCE, folder / "sources" / "second.yaml")
    with pytest.raises(
        EltError, match=r"second.yaml, line 2: adventureworks is also the name in .*rename one"
    ):
        load(folder, settings_of())


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(EltError, match=r"file.yaml can't be read"):
        documents.read(path)


def test_anchors_and_merge_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("base: &base {a: 1}\nmore:\n  <<: *base\n  b: 2\n")
    document = documents.read(path)
    assert document.data["more"] == {"a": 1, "b": 2}
    assert document.line(("more", "b", "unknown", 3)) == 4


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("custom_format", "source", ("sales", "x_store")),
        ("custom_format", "destination", ("main", "x_store")),
        ("adventureworks_${", "raw_${", ("raw_sales", "x_store")),
    ],
)
def test_tables_follow_airbytes_namespace_rules(
    load_edited, old: str, new: str, expected: tuple[str, str]
) -> None:
    connection = load_edited(CONNECTION, old, new).connection("adventureworks").definition
    stream = Stream(name="store", namespace="sales")
    assert connection.model_copy(update={"prefix": "x_"}).table_of(stream, "main") == expected


def nested(levels, first, line):
    """Each level is ten times in the next."""
    return "\n".join(
        [first, *(line.format(n=n, many=", ".join([f"*a{n - 1}"] * 10)) for n in range(1, levels))]
    )


@pytest.mark.parametrize(
    "text",
    [
        nested(9, "a0: &a0 [x]", "a{n}: &a{n} [{many}]"),
        "<<: [" + nested(9, "&a0 {x: 1}", ", &a{n} {{<<: [{many}]}}").replace("\n", "") + "]",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "a: " + "[" * 100 + "]" * 100,
    ],
)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_aliases_that_grow_without_end_are_refused_at_once(tmp_path, text):
    file = tmp_path / "source.yaml"
    file.write_text(text)
    with pytest.raises(
        EltError, match=r"source\.yaml, line \d+: (more than 200,000 values|found unconstructable recursive)"
    ):
        documents.read(file)


def test_an_alias_that_saves_a_few_lines_is_welcome(tmp_path):
    file = tmp_path / "source.yaml"
    file.write_text("a: &a {x: 1, y: [2, 3]}\nb: *a\nc: {<<: *a, x: 4}\n")
    assert documents.read(file).data == {
        "a": {"x": 1, "y": [2, 3]},
        "b": {"x": 1, "y": [2, 3]},
        "c": {"x": 4, "y": [2, 3]},
    }
