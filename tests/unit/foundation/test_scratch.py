"""Temporary folders: private, gone at the end, and gone after a kill as well."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.scratch import scratch, sweep

HOLD = """
import sys, time
from pathlib import Path
from foundation.scratch import scratch

with scratch("rows", Path(sys.argv[1])) as folder:
    (folder / "rows.arrow").write_text("rows")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_is_its_owners_and_goes_at_the_end(tmp_path: Path) -> None:
    with scratch("rows", tmp_path / "above") as folder:
        (folder / "part").mkdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "above").iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    (tmp_path / "elt-other-1").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as held:
        try:
            assert held.stdout
            folder = Path(held.stdout.readline().strip())
            sweep("rows", tmp_path)
            assert (folder / "rows.arrow").exists()
        finally:
            held.kill()
    with scratch("rows", tmp_path) as mine:
        assert sorted(tmp_path.iterdir()) == sorted([mine, tmp_path / "elt-other-1"])


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (precious := tmp_path / "precious").mkdir()
    (tmp_path / "elt-rows-link").symlink_to(precious)
    sweep("rows", tmp_path)
    assert precious.is_dir()


def test_a_file_system_without_locks_has_folders_and_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / "elt-rows-1").mkdir()
    with scratch("rows", tmp_path) as folder:
        assert folder.is_dir() and (tmp_path / "elt-rows-1").is_dir()
    assert not folder.exists()
