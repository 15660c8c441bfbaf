"""A folder of files that can be checked later: its manifest holds the size and the SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from foundation.errors import EltError

MANIFEST = "manifest.json"
FORMAT = 1


def seal(folder: Path) -> None:
    """Write the manifest of a folder's files. Raises OSError."""
    files = {path.name: _mark(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": files}, indent=1) + "\n")


def verify(folder: Path) -> None:
    """Compare a sealed folder with its manifest, reading every byte.

    Raises EltError with the file: one that is damaged, missing, not in the manifest, or no plain file (a link, a folder).
    """
    remedy = "choose another backup: `elt backup --list`"
    if folder.is_symlink() or not folder.is_dir():
        raise EltError(f"{folder} is no folder of its own, but a link or a file", remedy)
    for path in sorted(folder.iterdir()):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise EltError(f"{path} is no plain file", remedy)
    wanted = _manifest(folder / MANIFEST, remedy)
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(wanted.keys() | found):
        if name not in found:
            raise EltError(f"{folder / name} is missing", remedy)
        if name not in wanted:
            raise EltError(f"{folder / name} is not in the manifest", remedy)
        if _mark(folder / name) != wanted[name]:
            raise EltError(f"{folder / name} is damaged: size or checksum is not the manifest's", remedy)


def _manifest(path: Path, remedy: str) -> dict[str, object]:
    try:
        manifest = json.loads(path.read_text())
        form, files = manifest["format"], dict(manifest["files"])
    except FileNotFoundError:
        raise EltError(
            f"{path.parent} has no {MANIFEST}: it is not whole, or an older version made it", remedy
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise EltError(f"{path} is damaged", remedy) from None
    if form != FORMAT:
        raise EltError(f"{path} has the format {form}; this version reads {FORMAT}", remedy)
    return files


def _mark(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
