"""dbt's documentation in the lake's bucket: a reader finds a whole page, the old one or the new one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from orchestration import documentation
from orchestration.documentation import LATEST, PAGE, VERSIONS
from tests.fixtures.lake import Lake, seaweed_server

__all__ = ["seaweed_server"]


class Published:
    """Pages that the DAG has generated, and the bucket that they go to."""

    def __init__(self, lake: Lake) -> None:
        self.config, self.store = lake.config, Store(lake.place)

    def generated(self, text: str) -> None:
        page = Path(self.config.home / "docs" / PAGE)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)

    def read(self) -> str:
        """What a reader finds: the pointer, then the page that it names."""
        return self.store.get(json.loads(self.store.get(LATEST))["key"]).decode()


@pytest.fixture
def published(seaweed_server: Lake, tmp_path: Path) -> Published:
    return Published(seaweed_server.fresh(tmp_path / "home with a blank"))


def test_the_newest_page_is_read_and_the_last_seven_stay(published: Published) -> None:
    for number in range(VERSIONS + 2):
        published.generated(f"page {number}")
        version = documentation.upload(published.config, published.store)
        assert published.read() == f"page {number}"
        assert documentation.watch(published.store, version.uploaded_at) == version
    assert len(list(published.store.objects("docs/dbt/versions/"))) == VERSIONS


def test_an_upload_that_is_cut_off_leaves_the_page_of_before(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.generated("old")
    before = documentation.upload(published.config, published.store)
    put = Store.put

    def cut_off(store: Store, key: str, body: bytes | Path) -> None:
        if key == LATEST:
            raise EltError("the store went away", "wait")
        put(store, key, body)

    published.generated("new")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", cut_off)
        with pytest.raises(EltError, match="went away"):
            documentation.upload(published.config, published.store)
    assert published.read() == "old"
    assert documentation.watch(published.store) == before
    documentation.upload(published.config, published.store)
    assert published.read() == "new"


def test_the_watcher_tells_of_a_page_that_is_old_missing_or_another_one(published: Published) -> None:
    with pytest.raises(EltError, match=r"latest\.json is missing"):
        documentation.watch(published.store)
    published.generated("page")
    version = documentation.upload(published.config, published.store)
    with pytest.raises(EltError, match="older than 9999"):
        documentation.watch(published.store, "9999-01-01")
    published.store.put(version.key, b"somebody else's")
    with pytest.raises(EltError, match="another page than was uploaded"):
        documentation.watch(published.store)
    published.store.delete([version.key])
    with pytest.raises(EltError, match=r"index\.html is missing"):
        documentation.watch(published.store)
    published.store.put(LATEST, b"[]")
    with pytest.raises(EltError, match="not as it was written"):
        documentation.watch(published.store)


def test_without_a_page_there_is_nothing_to_upload(published: Published) -> None:
    with pytest.raises(EltError, match="there is no page"):
        documentation.upload(published.config, published.store)
