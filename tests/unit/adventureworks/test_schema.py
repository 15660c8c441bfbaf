"""The catalogue of the source."""

from adventureworks.schema import SCHEMAS, create_statements, foreign_keys, tables


def test_the_catalogue_has_the_originals_68_tables_and_90_foreign_keys() -> None:
    assert len(tables()) == 68
    assert {table.schema for table in tables().values()} == set(SCHEMAS)
    assert len(foreign_keys()) == 90
    assert sum(len(table.primary_key) > 1 for table in tables().values()) == 23


def test_every_table_has_a_key_and_a_cursor_that_is_never_null() -> None:
    for table in tables().values():
        nullable = {column.name: column.nullable for column in table.columns}
        assert nullable["modifieddate"] is False
        assert table.primary_key and not any(nullable[name] for name in table.primary_key)


def test_every_foreign_key_points_to_a_primary_key_of_the_same_types() -> None:
    for key in foreign_keys():
        source, target = tables()[key.table], tables()[key.references]
        assert sorted(key.key) == sorted(target.primary_key)
        types = {column.name: column.type for column in target.columns}
        for column in source.columns:
            if column.name in key.columns:
                expected = types[key.key[key.columns.index(column.name)]]
                assert {column.type, expected} <= {"integer", "smallint"} or column.type == expected


def test_names_fit_into_postgres_63_bytes() -> None:
    assert max(len(key.name) for key in foreign_keys()) <= 63
    assert len({(key.table, key.name) for key in foreign_keys()}) == 90
    for statement in create_statements():
        words = statement.as_string(None).replace('"', " ").split()
        assert all(len(word) <= 63 for word in words)
