"""A file of a sealed folder is exchanged for another; the folder is as sealed before, after and at every moment between."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import EltError
from orchestration import sealed
from orchestration.sealed import exchange, seal, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "histories").write_text("old")
    (folder / "secrets").write_text("none")
    seal(folder)
    return folder


def new_file(folder: Path) -> Path:
    work = folder.with_name("work")
    work.mkdir(exist_ok=True)
    (work / "histories").write_text("new")
    return work / "histories"


def test_the_new_file_is_sealed_and_damage_to_it_is_found(folder: Path) -> None:
    exchange(folder, "histories", new_file(folder))
    verify(folder)
    assert (folder / "histories").read_text() == "new"
    (folder / "histories").write_text("old")
    with pytest.raises(EltError, match="histories is damaged"):
        verify(folder)


@pytest.mark.parametrize("steps", range(3))
def test_who_is_killed_between_leaves_the_folder_sealed_and_may_begin_again(
    folder: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = Path.replace, iter(range(9))

    def killed(path: Path, target: Path) -> Path:
        if next(calls) == steps:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(sealed.Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            exchange(folder, "histories", new_file(folder))
    verify(folder)
    exchange(folder, "histories", new_file(folder))
    verify(folder)
    assert (folder / "histories").read_text() == "new"


def test_what_was_damaged_does_not_become_whole(folder: Path) -> None:
    (folder / "histories").write_text("damaged")
    exchange(folder, "histories", new_file(folder))
    assert (folder / "histories").read_text() == "new"
    with pytest.raises(EltError, match="histories is damaged"):
        verify(folder)
    (folder / sealed.MANIFEST).unlink()
    exchange(folder, "histories", new_file(folder))
    with pytest.raises(EltError, match="has no manifest"):
        verify(folder)
