"""Finding and unpacking the files of a load."""

import gzip
from pathlib import Path

import pytest

from adventureworks.loader import CHUNK_BYTES, find_files, read_chunks
from adventureworks.schema import tables
from foundation.errors import EltError


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(EltError, match="the folder /no/such/folder is not there"):
        find_files(Path("/no/such/folder"))


def test_missing_files_are_named(tmp_path: Path) -> None:
    for name in list(tables())[1:]:
        (tmp_path / f"{name}.csv").touch()
    with pytest.raises(EltError, match=r"lacks humanresources.department.csv.gz —"):
        find_files(tmp_path)


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    with pytest.raises(EltError, match="and 65 more"):
        find_files(tmp_path)


def test_packed_and_plain_files_come_in_small_chunks(tmp_path: Path) -> None:
    content = b"0123456789abcdef" * 65536
    (tmp_path / "plain.csv").write_bytes(content)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(content))
    for name in ("plain.csv", "packed.csv.gz"):
        chunks = list(read_chunks(tmp_path / name))
        assert b"".join(chunks) == content
        assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b[:60] + b"\0\0\0\0" + b[64:], lambda b: b"no gzip"]
)
def test_a_damaged_file_is_named(tmp_path: Path, damage) -> None:
    packed = gzip.compress(bytes(range(256)) * 4096)
    (tmp_path / "broken.csv.gz").write_bytes(damage(packed))
    with pytest.raises(EltError, match=r"broken\.csv.gz is damaged"):
        list(read_chunks(tmp_path / "broken.csv.gz"))


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(EltError, match=r"gone\.csv can't be read"):
        list(read_chunks(tmp_path / "gone.csv"))
