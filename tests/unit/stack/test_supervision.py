"""Where supervisord's socket is when ELT_HOME is too long for one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from foundation.errors import EltError
from stack.supervision import remove_socket, socket_path, supervised


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    return tmp_path / ("long" * 30)


def test_a_question_to_a_stack_that_is_down_leaves_no_folder(home: Path) -> None:
    assert supervised(home) is None
    assert not socket_path(home).parent.exists()


def test_the_folder_of_a_socket_goes_with_it(home: Path) -> None:
    folder = socket_path(home).parent
    folder.mkdir(mode=0o700)
    socket_path(home).touch()
    remove_socket(home)
    remove_socket(home)
    assert not folder.exists()


def test_a_folder_that_others_can_use_is_refused(home: Path) -> None:
    folder = socket_path(home).parent
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(EltError, match="belongs to somebody else"):
        socket_path(home)
