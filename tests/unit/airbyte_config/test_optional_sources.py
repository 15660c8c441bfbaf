"""The connection files of optional sources, as `elt airbyte plan` reads them where all are in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from airbyte_config.definitions import load
from airbyte_local.sources.connector.registry import connectors
from airbyte_local.sources.connector.specification import wrong_fields
from foundation.settings import load_settings

BY_CONNECTOR = ("rates", "weather", "github", "posts", "stream")


@pytest.mark.parametrize("name", BY_CONNECTOR)
def test_the_configuration_of_a_source_fits_its_connector(name: str, tmp_path: Path) -> None:
    known = {"ELT_HOME": str(tmp_path), "ELT_SOURCES": ",".join(("adventureworks", *BY_CONNECTOR))}
    found = load(settings=load_settings(known), need_secrets=False)
    source = found.sources[name]
    assert list(wrong_fields(connectors()[source.connector].specification, source.values)) == []
    assert source.document.data["optional"] is True
    secret = {path.rpartition(".")[2] for path in source.secrets}
    assert secret <= connectors()[source.connector].secret_fields
    assert found.connections[name].definition.namespace_format == name


def test_without_them_in_use_none_is_read(tmp_path: Path) -> None:
    found = load(settings=load_settings({"ELT_HOME": str(tmp_path)}), need_secrets=False)
    assert not set(BY_CONNECTOR) & {*found.sources, *found.connections}


def test_files_in_the_lakes_bucket_put_the_lake_in_use(tmp_path: Path) -> None:
    in_use = {
        sources: load_settings({"ELT_HOME": str(tmp_path), "ELT_SOURCES": sources}).lake_in_use
        for sources in ("adventureworks", "adventureworks,rates", "adventureworks,posts")
    }
    assert in_use == {"adventureworks": False, "adventureworks,rates": False, "adventureworks,posts": True}


@pytest.mark.parametrize(
    ("folder", "glob"), [("elt", "elt/drops/posts/**/*.jsonl"), ("/", "drops/posts/**/*.jsonl")]
)
def test_posts_are_looked_for_in_the_lakes_folder(folder: str, glob: str, tmp_path: Path) -> None:
    assert load_settings({"ELT_HOME": str(tmp_path), "LAKE_PATH": folder}).posts_glob == glob
